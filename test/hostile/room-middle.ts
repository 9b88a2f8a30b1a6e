import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import WebSocket, { WebSocketServer } from 'ws'

export interface Pem {
  readonly certificate: string
  readonly key: string
}

/** A certificate for this machine that its own holder signed. */
export const ownCertificate = (): Pem => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-middle-'))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  execFileSync(
    'openssl',
    // biome-ignore format: one option a word
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', certificate,
      '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    { stdio: 'ignore' },
  )
  const pem = { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') }
  rmSync(folder, { recursive: true })
  return pem
}

type Data = Buffer | string

export interface Middle {
  readonly url: string
  /** Its connections to the true relay, oldest first. */
  readonly seats: readonly WebSocket[]
  /** What passed, or would have. */
  readonly heard: { readonly to: 'relay' | 'member'; readonly data: Data }[]
  /** What to pass on instead of what came; undefined: nothing. */
  pass: (to: 'relay' | 'member', data: Data) => Data | undefined
  close(): Promise<void>
}

/** Poses as a relay: whoever comes is connected to the true one behind it. */
export const startMiddle = async (
  target: string,
  options: { readonly tls?: Pem; readonly maxVersion?: 'TLSv1.2'; readonly ca?: string } = {},
): Promise<Middle> => {
  const { tls, maxVersion } = options
  const server =
    tls === undefined
      ? createServer()
      : createTlsServer({ cert: tls.certificate, key: tls.key, ...(maxVersion === undefined ? {} : { maxVersion }) })
  const sockets = new WebSocketServer({ server })
  const seats: WebSocket[] = []
  const heard: Middle['heard'] = []
  const middle: Middle = {
    url: '',
    seats,
    heard,
    pass: (_, data) => data,
    close: async () => {
      for (const one of [...seats, ...sockets.clients]) one.terminate()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  sockets.on('connection', (member, request) => {
    const seat = new WebSocket(`${target}${request.url}`, options.ca === undefined ? {} : { ca: options.ca })
    seats.push(seat)
    const wire = (from: WebSocket, to: WebSocket, name: 'relay' | 'member'): void => {
      from.on('error', () => from.terminate())
      from.on('close', () => to.terminate())
      from.on('message', (raw: Buffer, isBinary) => {
        const data = isBinary ? raw : raw.toString()
        heard.push({ to: name, data })
        const passed = middle.pass(name, data)
        if (passed !== undefined && to.readyState === WebSocket.OPEN) to.send(passed)
      })
    }
    wire(seat, member, 'member')
    wire(member, seat, 'relay')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(middle, { url: `${tls === undefined ? 'ws' : 'wss'}://localhost:${port}` })
}
