import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Tap {
  readonly port: number
  /** What went through, one entry a direction of each connection; client's WebSocket frames also without their masks. */
  traffic(): readonly Uint8Array[]
  readonly bytes: number
  close(): Promise<void>
}

/** A TCP proxy before a port of this machine that keeps a copy of every byte. */
export const startTap = async (to: number): Promise<Tap> => {
  const streams: { readonly client: boolean; readonly chunks: Buffer[] }[] = []
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    for (const [from, other, client] of [
      [near, far, true],
      [far, near, false],
    ] as const) {
      const chunks: Buffer[] = []
      streams.push({ client, chunks })
      sockets.add(from)
      from.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        other.write(chunk)
      })
      from.on('close', () => {
        sockets.delete(from)
        other.destroy()
      })
      from.on('error', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    traffic: () =>
      streams.flatMap(({ client, chunks }) => {
        const whole = new Uint8Array(Buffer.concat(chunks))
        return client ? [whole, ...unmasked(whole)] : [whole]
      }),
    get bytes() {
      return streams.reduce((sum, { chunks }) => sum + chunks.reduce((one, chunk) => one + chunk.length, 0), 0)
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** Payloads of a client's WebSocket frames (RFC 6455 §5.2) after its HTTP request. */
const unmasked = (stream: Uint8Array): readonly Uint8Array[] => {
  const payloads: Uint8Array[] = []
  const view = Buffer.from(stream.buffer, stream.byteOffset, stream.length)
  let at = view.indexOf('\r\n\r\n') + 4
  if (at < 4) return payloads
  while (at + 6 <= view.length) {
    const short = (view[at + 1] ?? 0) & 0x7f
    const wide = short === 126 ? 2 : short === 127 ? 8 : 0
    if (at + 6 + wide > view.length) break
    const length = wide === 0 ? short : wide === 2 ? view.readUInt16BE(at + 2) : Number(view.readBigUInt64BE(at + 2))
    const mask = view.subarray(at + 2 + wide, at + 6 + wide)
    const from = at + 6 + wide
    payloads.push(view.subarray(from, from + length).map((byte, i) => byte ^ (mask[i & 3] ?? 0)))
    at = from + length
  }
  return payloads
}
