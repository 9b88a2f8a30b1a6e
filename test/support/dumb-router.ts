import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

export interface DumbRouter {
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

/** The least that a relay can be: every binary message goes to all other clients of the same path. Nothing else. */
export const startDumbRouter = async (see: (message: Uint8Array) => void = () => {}): Promise<DumbRouter> => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  const paths = new Map<string, Set<WebSocket>>()
  server.on('connection', (socket, request) => {
    const path = request.url ?? '/'
    const clients = paths.get(path) ?? new Set()
    paths.set(path, clients.add(socket))
    socket.on('close', () => clients.delete(socket))
    socket.on('error', () => socket.terminate())
    socket.on('message', (data, isBinary) => {
      if (!isBinary || !(data instanceof Buffer)) return
      see(data)
      for (const client of clients) if (client !== socket) client.send(data)
    })
  })
  await new Promise<void>((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `ws://127.0.0.1:${port}`,
    port,
    close: async () => {
      for (const client of server.clients) client.terminate()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
