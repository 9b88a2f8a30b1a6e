import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { toEnvelope } from '../../identity/dsse.ts'
import { identityOf } from '../../identity/identity.ts'
import type { Hash, Identity, SiteId } from '../../lib/brand.ts'
import { toBase64, toHex } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Clock, Random } from '../../lib/ports.ts'
import type { Signer } from '../../records/signed.ts'
import { isLoopback } from '../loopback.ts'
import { AddressLimits } from './address-limits.ts'
import { Connection, type Pool } from './connection.ts'
import { Crowd } from './crowd.ts'
import { Doorway } from './doorway.ts'
import { FairQueue } from './fair-queue.ts'
import { defaultLimits, type Limits } from './limits.ts'
import { addressOf, networkOf } from './network.ts'
import { Overload } from './overload.ts'
import { page } from './page.ts'
import {
  admit,
  challengeCodec,
  type Enter,
  EXPORTER_LABEL,
  type RelayMessage,
  relayMessageCodec,
  TEXT_LIMIT,
} from './protocol.ts'
import { Rooms } from './rooms.ts'
import { Shares } from './shares.ts'
import { newCounts, type RelayStats } from './stats.ts'

const TICK = 1000
/** Between two looks at how busy this relay is. */
const LOOK = 100
/** Connections that a network may make for each WebSocket that it may open: those beyond are cut before TLS and HTTP. */
const CONNECTS = 4

/** PEM. */
export interface RelayTls {
  readonly certificate: string
  readonly key: string
}

export type RelayEvent =
  | { readonly what: 'admitted' | 'left'; readonly room: Hash; readonly member: SiteId }
  | { readonly what: 'refused'; readonly room: string; readonly reason: string }
  /** Its TLS certificate. */
  | { readonly what: 'renewed' }
  | { readonly what: 'not-renewed'; readonly reason: string }

export interface RelayOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Without it, and without a proxy before it, the relay listens on this machine alone. */
  readonly tls?: RelayTls
  /** A proxy ends the clients' TLS, passes on all connections, and names the client's address. */
  readonly behindProxy?: boolean
  /** The relay's identity key. */
  readonly signer: Signer
  readonly limits?: Partial<Limits>
  /** Identities that may open rooms; without it anybody. */
  readonly allow?: ReadonlySet<Identity>
  readonly clock: Clock
  readonly random: Random
  onEvent?(event: RelayEvent): void
}

export interface Relay {
  readonly url: string
  readonly port: number
  readonly identity: Identity
  stats(): RelayStats
  /** Newcomers are shown this certificate from now on. */
  renew(tls: RelayTls): void
  /** Takes nobody in, asks everybody to leave, and ends what is left after the drain time. */
  close(): Promise<void>
}

const bytesOf = (data: RawData): Uint8Array =>
  Array.isArray(data) ? new Uint8Array(Buffer.concat(data)) : new Uint8Array(data as Buffer)

const read = (bytes: Uint8Array): RelayMessage | undefined => {
  try {
    return relayMessageCodec.decode(bytes)
  } catch {
    return undefined
  }
}

const roomOf = (request: IncomingMessage): string | undefined =>
  /^(?:\/[^?#]*)?\/([0-9a-f]{64})$/.exec(request.url ?? '')?.[1]

const exporterOf = ({ socket }: IncomingMessage): Hash | null =>
  socket instanceof TLSSocket ? (toHex(socket.exportKeyingMaterial(32, EXPORTER_LABEL, Buffer.alloc(0))) as Hash) : null

/** An untrusted router: passes members' frames on and keeps their newest notes. It can drop and delay, not read or forge. */
export const startRelay = async (options: RelayOptions): Promise<Relay> => {
  const { clock, random, signer, tls, behindProxy = false } = options
  if (tls === undefined && !behindProxy && !isLoopback(options.host))
    throw new QuorateError(
      'E_USAGE',
      'a relay without TLS listens on this machine only',
      'give a TLS certificate and key, or listen on 127.0.0.1; where a proxy ends TLS, say --behind-proxy',
    )
  const limits: Limits = { ...defaultLimits, ...options.limits }
  const counts = newCounts()
  const pressure = new Overload()
  const turns = new FairQueue(limits.perTurn)
  const noteRates = new AddressLimits(limits.noteBytesPerSecond, limits.noteBytesBurst, clock, pressure)
  const pool: Pool = { limits, counts, clock, pressure, turns, noteRates, memory: new Shares() }
  const rooms = new Rooms(limits, counts, options.allow)
  const identity = identityOf('relay', signer.key)
  const members = new Crowd(limits.connections, 'newest')
  const strangers = new Crowd(limits.strangers, 'oldest')
  const doorway = new Doorway(limits.handshakes)
  const { opensPerSecond, opensBurst } = limits
  const opens = new AddressLimits(opensPerSecond, opensBurst, clock, pressure)
  const connects = new AddressLimits(CONNECTS * opensPerSecond, CONNECTS * opensBurst, clock, pressure)
  const stop = new AbortController()

  const stats = (): RelayStats => ({
    ...counts,
    rooms: rooms.size,
    members: members.size,
    strangers: strangers.size,
    queued: turns.waiting,
    buffered: pool.memory.held,
    noteBytes: rooms.noteBytes,
    residentBytes: process.memoryUsage.rss(),
  })

  const listener = page(
    () => stop.signal.aborted,
    stats,
    (request) => isLoopback(networkOf(addressOf(request, behindProxy))),
  )
  const http = {
    maxHeaderSize: 8192,
    headersTimeout: limits.handshakeTime,
    requestTimeout: limits.handshakeTime,
    connectionsCheckingInterval: TICK,
  }
  const secure = ({ certificate, key }: RelayTls) => ({ cert: certificate, key, minVersion: 'TLSv1.3' as const })
  const tlsServer =
    tls && createTlsServer({ ...http, ...secure(tls), handshakeTimeout: limits.handshakeTime }, listener)
  const server: Server = tlsServer ?? createServer(http, listener)
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    autoPong: false,
    perMessageDeflate: false,
    maxPayload: TEXT_LIMIT,
    maxFragments: limits.fragments,
    maxBufferedChunks: 2048,
  })

  const turnAway = (raw: Duplex, status: string): void => {
    counts.turnedAway += 1
    raw.once('finish', () => raw.destroy())
    raw.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  }

  server.on('connection', (raw: Socket) => {
    // All connections of a proxy come from its own address.
    if (behindProxy || connects.allows(networkOf(raw.remoteAddress ?? ''))) {
      doorway.enter(raw)
      return
    }
    counts.turnedAway += 1
    raw.destroy()
  })
  server.on('upgrade', (request, raw, head) => {
    raw.on('error', () => raw.destroy())
    const room = roomOf(request)
    const network = networkOf(addressOf(request, behindProxy))
    if (stop.signal.aborted) turnAway(raw, '503 Service Unavailable')
    else if (!opens.allows(network)) turnAway(raw, '429 Too Many Requests')
    else if (room === undefined) turnAway(raw, '404 Not Found')
    else
      turns.later(network, () => {
        if (raw.destroyed || stop.signal.aborted) {
          raw.destroy()
          return false
        }
        doorway.through(request.socket)
        sockets.handleUpgrade(request, raw, head, (socket) => {
          const connection = new Connection(pool, socket, raw, {
            network,
            room,
            exporter: behindProxy ? null : exporterOf(request),
          })
          welcome(socket, connection)
        })
        return true
      })
  })
  server.on('clientError', (_error, raw) => raw.destroy())

  const welcome = (socket: WebSocket, connection: Connection): void => {
    strangers.add(connection)
    socket.on('error', () => connection.terminate())
    socket.on('close', () => farewell(connection))
    socket.on('pong', (data) => connection.tookControl(data.length))
    socket.on('ping', (data) => {
      connection.tookControl(data.length)
      connection.pong(data)
    })
    socket.on('message', (data, isBinary) => {
      const bytes = bytesOf(data)
      connection.tookMessage(bytes.length)
      if (!connection.open) return
      if (isBinary) onFrame(connection, bytes)
      else onText(connection, bytes)
    })
    void challenge(connection)
  }

  const challenge = async (connection: Connection): Promise<void> => {
    const asked = { relay: identity, nonce: toHex(random(32)), exporter: connection.exporter !== null }
    const signed = await signer.sign(challengeCodec, asked)
    connection.challenge = asked
    connection.say({ what: 'challenge', challenge: toBase64(toEnvelope(signed)) })
  }

  const onFrame = (connection: Connection, bytes: Uint8Array): void => {
    if (connection.admission === undefined) counts.dropped += 1
    else if (bytes.length > limits.frame) connection.cut('cutOversize', 1009)
    else rooms.route(connection.admission, bytes)
  }

  const onText = (connection: Connection, bytes: Uint8Array): void => {
    // A member's text is a note, which may be long.
    if (connection.admission !== undefined) void connection.takeNote(bytes.length, onPost(connection, bytes))
    else {
      const message = read(bytes)
      if (message?.what === 'enter') onEnter(connection, message)
      else refuse(connection, 'not a message for a relay')
    }
  }

  function* onPost(connection: Connection, bytes: Uint8Array): Generator {
    const message = read(bytes)
    yield
    const { admission } = connection
    if (message?.what === 'post' && admission !== undefined) yield* rooms.post(connection, admission, message.note)
    else refuse(connection, 'not a message for a relay')
  }

  const onEnter = (connection: Connection, enter: Enter): void => {
    const asked = connection.challenge
    if (asked === undefined || connection.admission !== undefined) {
      refuse(connection, 'no challenge is open')
      return
    }
    connection.challenge = undefined
    const admission = admit(enter, { room: connection.room, challenge: asked, exporter: connection.exporter })
    const reason = typeof admission === 'string' ? admission : rooms.enter(connection, admission, enter)
    if (reason !== undefined || typeof admission === 'string') {
      refuse(connection, reason ?? 'not admitted')
      return
    }
    strangers.delete(connection)
    members.add(connection)
    options.onEvent?.({ what: 'admitted', room: admission.room, member: admission.member.name })
  }

  const refuse = (connection: Connection, reason: string): void => {
    connection.refuse(reason)
    options.onEvent?.({ what: 'refused', room: connection.room, reason })
  }

  const farewell = (connection: Connection): void => {
    connection.ended()
    strangers.delete(connection)
    if (!members.delete(connection)) return
    rooms.leave(connection, clock.monotonic())
    const { admission } = connection
    if (admission !== undefined)
      options.onEvent?.({ what: 'left', room: admission.room, member: admission.member.name })
  }

  // Between the ping and the end of a silent connection there is time for an answer.
  const tick = Math.min(TICK, limits.idle / 4, limits.strangerTime / 4)
  const keepTime = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(tick, stop.signal).catch(() => {})
      const now = clock.monotonic()
      for (const one of strangers) if (now - one.since > limits.strangerTime) one.cut('cutLate', 1008)
      for (const one of members) {
        if (now - one.heard > limits.idle) one.cut('cutIdle', 1001)
        else if (now - one.heard > limits.idle / 2) one.ping()
      }
      rooms.sweep(now)
    }
  }

  const watchPressure = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(LOOK, stop.signal).catch(() => {})
      pressure.look()
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new QuorateError('E_RELAY', `cannot listen: ${error.message}`, 'choose another address or port', {}, error),
      ),
    )
    server.listen(options.port, options.host, resolve)
  })
  const timekeepers = [keepTime(), watchPressure()]
  const { port } = server.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host.replace(/[[\]]/g, '')}]` : options.host

  const drain = async (): Promise<void> => {
    // It goes on listening while members leave: /health says so, and newcomers are turned away.
    stop.abort()
    for (const one of [...strangers, ...members]) one.leave(1001)
    const end = clock.monotonic() + limits.drain
    const gone = async (until: number): Promise<void> => {
      while (strangers.size + members.size > 0 && clock.monotonic() < until) await clock.sleep(5)
    }
    await gone(end)
    for (const one of [...strangers, ...members]) one.terminate()
    await gone(clock.monotonic() + TICK)
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await Promise.all([closed, ...timekeepers])
  }
  let closing: Promise<void> | undefined
  return {
    url: `${tls === undefined ? 'ws' : 'wss'}://${host}:${port}`,
    port,
    identity,
    stats,
    renew: (renewed) => tlsServer?.setSecureContext(secure(renewed)),
    close: () => {
      closing ??= drain()
      return closing
    },
  }
}
