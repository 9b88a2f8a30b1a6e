import type { IncomingMessage, RequestListener } from 'node:http'
import { prometheus, type RelayStats, traffic } from './stats.ts'

/**
 * The page of a relay: whether it serves, and its counts. Somebody who asks from elsewhere than this machine does not learn how near
 * to its limits it is: an attacker would see what works.
 */
export const page = (
  draining: () => boolean,
  stats: () => RelayStats,
  isLocal: (request: IncomingMessage) => boolean,
): RequestListener => {
  const pages: Readonly<Record<string, (request: IncomingMessage) => readonly [number, string]>> = {
    '/health': () => (draining() ? [503, 'draining\n'] : [200, 'ok\n']),
    '/metrics': (request) => [200, prometheus(isLocal(request) ? stats() : traffic(stats()))],
  }
  return (request, response) => {
    const found = request.method === 'GET' ? pages[request.url ?? '']?.(request) : undefined
    const [status, body] = found ?? [426, 'this is a relay: it speaks WebSocket\n']
    response.writeHead(status, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      'cache-control': 'no-store',
      connection: 'close',
      ...(status === 426 ? { upgrade: 'websocket' } : {}),
    })
    response.end(body)
  }
}
