import type { RelayShown } from '../../site/relay.ts'
import type { RelayEvent } from '../../transport/relay/server.ts'
import type { Line, Lines } from '../term.ts'

export const relayView = ({ url, identity, address, process }: RelayShown): Lines => [
  { label: 'relay', text: url, note: `process ${process}`, tone: 'strong' },
  { label: 'identity', text: identity },
  { label: 'plan with', text: `--relay ${address}` },
]

export const relayEventLine = (event: RelayEvent): Line => {
  if (event.what === 'renewed') return { label: 'renewed', text: 'the TLS certificate' }
  if (event.what === 'not-renewed')
    return { label: 'not renewed', text: `${event.reason}; the certificate before it stays in use`, tone: 'warn' }
  const room = `room ${event.room.slice(0, 4)}-${event.room.slice(4, 8)}`
  return event.what === 'refused'
    ? { label: 'refused', text: room, note: event.reason }
    : { label: event.what, text: `${event.member}  ${room}` }
}
