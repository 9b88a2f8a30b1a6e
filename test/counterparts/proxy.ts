import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/**
 * A proxy for TLS (CONNECT) that takes every name for this machine: names of vaults need no resolver, and TLS goes from end
 * to end.
 */
export const startProxy = async (): Promise<{ readonly url: string; stop(): Promise<void> }> => {
  const ends = new Set<Socket>()
  const server = createServer()
  server.on('connect', ({ url = '' }, client: Socket) => {
    const behind = connect(Number(url.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      client.pipe(behind).pipe(client)
    })
    for (const socket of [client, behind]) {
      ends.add(socket)
      socket.on('error', () => socket.destroy()).on('close', () => ends.delete(socket))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      for (const socket of ends) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
