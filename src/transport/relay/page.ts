import type { RequestListener } from 'node:http'
import { prometheus, type RelayStats } from './stats.ts'

/** The page of a relay for operators: whether it serves, and its counts. */
export const page = (draining: () => boolean, stats: () => RelayStats): RequestListener => {
  const pages: Readonly<Record<string, () => readonly [number, string]>> = {
    '/health': () => (draining() ? [503, 'draining\n'] : [200, 'ok\n']),
    '/metrics': () => [200, prometheus(stats())],
  }
  return (request, response) => {
    const found = request.method === 'GET' ? pages[request.url ?? '']?.() : undefined
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
