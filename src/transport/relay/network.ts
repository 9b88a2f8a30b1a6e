import type { IncomingMessage } from 'node:http'
import { isIPv4, isIPv6 } from 'node:net'

/** Of an IPv6 address: what one customer is given, so that the rest of it is free to him. */
const OWN_GROUPS = 4
const GROUPS = 8

/** The network of an address: an IPv4 address itself, the /64 of an IPv6 one. */
export const networkOf = (address: string): string => {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1] ?? address
  if (isIPv4(mapped)) return mapped
  if (address === '::1') return address
  if (!isIPv6(address)) return ''
  const [head = '', tail = ''] = (address.split('%')[0] ?? '').split('::')
  const [left, right] = [head, tail].map((half) => half.split(':').filter((group) => group !== ''))
  const before = left ?? []
  const gap = Array.from({ length: Math.max(0, GROUPS - before.length - (right?.length ?? 0)) }, () => '0')
  const own = [...before, ...gap, ...(right ?? [])].slice(0, OWN_GROUPS)
  return `${own.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

/**
 * The client's address. Behind a proxy it is the last address of `X-Forwarded-For`, which the proxy itself wrote; those before it are
 * what the client says.
 */
export const addressOf = (request: IncomingMessage, behindProxy: boolean): string => {
  const named = behindProxy ? request.headers['x-forwarded-for'] : undefined
  const last = (Array.isArray(named) ? named.join(',') : named)?.split(',').at(-1)?.trim()
  if (last === undefined || last === '') return request.socket.remoteAddress ?? ''
  // Some proxies write the port, too.
  return /^\[([^\]]*)\](?::\d+)?$/.exec(last)?.[1] ?? /^([\d.]+):\d+$/.exec(last)?.[1] ?? last
}
