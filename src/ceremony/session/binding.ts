import type { LogView } from '../../audit/disk-log.ts'
import type { SiteId } from '../../lib/brand.ts'
import { protocolFacts } from '../../mpc/registry.ts'
import { DecodeError } from '../../records/codec.ts'
import { readSignedMessage } from './round-message.ts'

/** True where its sender is bound from this message on. */
const isBinding = (bytes: Uint8Array): boolean => {
  try {
    const { protocol, round } = readSignedMessage(bytes)
    return protocolFacts(protocol)?.boundFrom === round
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}

/** An attempt that this site signed, and of which its log does not say that it came to nothing. */
export const hasOpenAttempt = (log: LogView): boolean => {
  const events = [...log.replay()]
  const ended = new Set(events.filter((event) => event.what === 'failed').map((event) => event.object))
  return events.some((event) => event.what === 'attempt' && !ended.has(event.object))
}

/** True where this site has sent a message from which on others may finish without it. */
export const hasBound = (log: LogView, site: SiteId): boolean =>
  [...log.replay()].some((event) => {
    const body =
      event.what === 'message' && event.site === site && event.object !== null ? log.body(event.object) : undefined
    return body !== undefined && isBinding(body)
  })
