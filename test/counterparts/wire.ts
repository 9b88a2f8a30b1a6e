import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A cable to a server on loopback, which can be cut. TLS goes through it as it is. */
export interface Cable {
  readonly port: number
  /** Resets every connection, or the one that came to the server from this port; new ones are taken. */
  cut(from?: number): void
  close(): Promise<void>
}

/** A silent one takes connections and passes nothing on. */
export const layCable = async (to: number, silent = false): Promise<Cable> => {
  const ends = new Set<Socket>()
  const keep = (socket: Socket): void => {
    ends.add(socket)
    socket
      .setNoDelay(true)
      .on('error', () => undefined)
      .on('close', () => ends.delete(socket))
  }
  const server = createServer((client) => {
    keep(client)
    if (silent) return
    const behind = connect(to, '127.0.0.1')
    keep(behind)
    behind.on('close', () => client.resetAndDestroy())
    client.pipe(behind).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (from?: number): void => {
    for (const socket of ends) if (from === undefined || socket.localPort === from) socket.resetAndDestroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    close: () => {
      cut()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
