import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import WebSocket, { type RawData } from 'ws'
import { toEnvelope } from '../identity/dsse.ts'
import type { Hash, Identity, SiteId } from '../lib/brand.ts'
import { fromBase64, fromUtf8, toBase64, toHex } from '../lib/bytes.ts'
import type { Clock, Random } from '../lib/ports.ts'
import type { Signer } from '../records/signed.ts'
import type { Queue } from './queue.ts'
import {
  answerCodec,
  type Challenge,
  EXPORTER_LABEL,
  openChallenge,
  type RelayMessage,
  relayMessageCodec,
  TEXT_LIMIT,
} from './relay/protocol.ts'
import type { Member } from './relay/room.ts'
import { relayFault } from './relay-fault.ts'
import { decodeAddressed } from './relay-frame.ts'
import type { Frame, PostedNote } from './wire.ts'

const CONNECT_TIME = 5000
const FIRST_RETRY = 50
const LAST_RETRY = 2000
/** A router that sends no challenge within this time is taken for one that offers none. */
const CHALLENGE_WAIT = 250
/** Frames kept meanwhile. */
const HELD = 262_144
/** Waiting for one slow relay; beyond it frames to it are lost. */
const BUFFERED = 8_388_608
const PING = 15_000
/** Without a sign of life for so long a relay is taken for dead. */
const DEAD = 45_000
const LEAVE = 500

/** `routing`: connected to a router that offers no admission; `impostor`: not the relay that the definition names. */
type RelayState = 'connecting' | 'entering' | 'admitted' | 'routing' | 'refused' | 'impostor' | 'down' | 'closed'

export interface RelayStatus {
  readonly url: string
  readonly state: RelayState
  /** Why not, where there is a reason; one printable line. */
  readonly reason: string | undefined
  /** The person who can mend it, and how, where the reason tells. */
  readonly hint: string | undefined
}

export interface RelaysOptions {
  readonly relays: readonly { readonly url: string; readonly identity: Identity | null }[]
  readonly authority: Hash
  /** Roster and approvers, this side among them. */
  readonly members: readonly Member[]
  readonly self: SiteId
  readonly noteSigner: Signer
  /** DSSE envelope of the note key's certificate. */
  readonly noteCertificate: Uint8Array
  readonly clock: Clock
  readonly random: Random
  /** PEM of the authorities that sign relays' TLS certificates, where the system's do not. */
  readonly ca?: string
}

/** State of one room that the links to all its relays share. */
export interface SharedRoom {
  readonly options: RelaysOptions
  readonly room: Hash
  readonly members: readonly Member[]
  readonly names: ReadonlySet<SiteId>
  readonly frames: Queue<Frame>
  readonly notes: Queue<PostedNote>
  posted: Uint8Array | undefined
  opened: () => void
}

const bytesOf = (data: RawData): Uint8Array =>
  Array.isArray(data) ? new Uint8Array(Buffer.concat(data)) : new Uint8Array(data as Buffer)

/** One relay, connected again and again until it is closed. */
export class RelayLink {
  readonly #shared: SharedRoom
  readonly #relay: RelaysOptions['relays'][number]
  readonly #stop = new AbortController()
  #socket: WebSocket | undefined
  #state: RelayState = 'connecting'
  #reason: string | undefined
  #hint: string | undefined
  #held: Uint8Array[] = []
  #heldBytes = 0
  #heard = 0
  #answering = false
  #tls: TLSSocket | undefined
  readonly #done: Promise<void>

  constructor(shared: SharedRoom, relay: RelaysOptions['relays'][number]) {
    this.#shared = shared
    this.#relay = relay
    this.#done = this.#run()
  }

  get status(): RelayStatus {
    return { url: this.#relay.url, state: this.#state, reason: this.#reason, hint: this.#hint }
  }

  send(frame: Uint8Array): void {
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN) return
    if (this.#state === 'admitted' || this.#state === 'routing') {
      if (socket.bufferedAmount + frame.length <= BUFFERED) socket.send(frame)
    } else if (this.#heldBytes + frame.length <= HELD) {
      this.#held.push(frame)
      this.#heldBytes += frame.length
    }
  }

  post(): void {
    const { posted } = this.#shared
    if (this.#state === 'admitted' && posted !== undefined) this.#say({ what: 'post', note: toBase64(posted) })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#socket?.close(1000)
    await this.#done
    this.#state = 'closed'
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#shared.options
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted; ) {
      const began = clock.monotonic()
      const served = await this.#connection()
      failures = served && clock.monotonic() - began > LAST_RETRY ? 0 : failures + 1
      const most = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(failures, 10))
      const share = (random(1)[0] ?? 0) / 255
      await clock.sleep(most / 2 + (share * most) / 2, signal).catch(() => {})
    }
  }

  /** From opening to the end; true where frames could pass. */
  async #connection(): Promise<boolean> {
    const { room, options } = this.#shared
    const socket = new WebSocket(`${this.#relay.url.replace(/\/$/, '')}/${room}`, {
      perMessageDeflate: false,
      handshakeTimeout: CONNECT_TIME,
      maxPayload: TEXT_LIMIT,
      minVersion: 'TLSv1.3',
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    })
    const ended = new AbortController()
    this.#socket = socket
    this.#state = 'connecting'
    this.#answering = false
    this.#tls = undefined
    let served = false
    const pass = (state: 'admitted' | 'routing'): void => {
      served = true
      this.#pass(socket, state)
    }
    socket.on('upgrade', (response: IncomingMessage) => {
      if (response.socket instanceof TLSSocket) this.#tls = response.socket
    })
    socket.on('open', () => {
      this.#state = 'entering'
      this.#heard = options.clock.monotonic()
      void this.#later(CHALLENGE_WAIT, ended.signal, () => {
        if (this.#state === 'entering' && !this.#answering) pass('routing')
      })
      void this.#keepAlive(socket, ended.signal)
    })
    for (const event of ['ping', 'pong', 'message'] as const)
      socket.on(event, () => {
        this.#heard = options.clock.monotonic()
      })
    socket.on('message', (data, isBinary) => {
      if (isBinary) this.#take(bytesOf(data))
      else this.#hear(socket, bytesOf(data), () => pass('admitted'))
    })
    await new Promise<void>((resolve) => {
      const leave = (): void => {
        if (socket.readyState === WebSocket.CONNECTING) socket.terminate()
        else void this.#later(LEAVE, ended.signal, () => socket.terminate())
      }
      socket.on('error', (error) => {
        const fault = relayFault(error)
        this.#reason = fault.reason
        this.#hint = fault.hint
      })
      socket.on('close', () => resolve())
      this.#stop.signal.addEventListener('abort', leave, { once: true, signal: ended.signal })
    })
    ended.abort()
    this.#dropHeld()
    this.#socket = undefined
    this.#fall()
    return served
  }

  /** Keeps a state that says why. */
  #fall(): void {
    if (this.#state !== 'refused' && this.#state !== 'impostor') this.#state = 'down'
  }

  #pass(socket: WebSocket, state: 'admitted' | 'routing'): void {
    this.#state = state
    this.#reason = undefined
    this.#hint = undefined
    for (const frame of this.#held) socket.send(frame)
    this.#dropHeld()
    this.post()
    this.#shared.opened()
  }

  #hear(socket: WebSocket, bytes: Uint8Array, admitted: () => void): void {
    const message = this.#read(bytes)
    if (message?.what === 'challenge' && !this.#answering) {
      this.#answering = true
      // A busy relay's challenge may come when it was already taken for a router.
      this.#state = 'entering'
      this.#enter(fromBase64(message.challenge)).catch((error: unknown) => {
        this.#state = 'impostor'
        this.#reason = error instanceof Error ? error.message : "the challenge is not a relay's"
        socket.close(1008)
      })
    } else if (message?.what === 'admitted' && this.#answering && this.#state === 'entering') admitted()
    else if (message?.what === 'refused') {
      this.#state = 'refused'
      this.#reason = message.reason
    } else if (message?.what === 'note')
      this.#shared.notes.push({ certificate: fromBase64(message.certificate), note: fromBase64(message.note) })
  }

  async #later(ms: number, signal: AbortSignal, act: () => void): Promise<void> {
    try {
      await this.#shared.options.clock.sleep(ms, signal)
    } catch {
      return
    }
    act()
  }

  #dropHeld(): void {
    this.#held = []
    this.#heldBytes = 0
  }

  async #keepAlive(socket: WebSocket, signal: AbortSignal): Promise<void> {
    const { clock } = this.#shared.options
    while (!signal.aborted)
      await this.#later(PING, signal, () => {
        if (clock.monotonic() - this.#heard > DEAD) socket.terminate()
        else socket.ping()
      })
  }

  #say(message: RelayMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(fromUtf8(relayMessageCodec.encode(message)))
  }

  #read(bytes: Uint8Array): RelayMessage | undefined {
    try {
      return relayMessageCodec.decode(bytes)
    } catch {
      return undefined
    }
  }

  #take(bytes: Uint8Array): void {
    const frame = decodeAddressed(bytes)
    const { names, frames, options } = this.#shared
    if (frame === undefined || frame.to !== options.self || frame.from === options.self || !names.has(frame.from))
      return
    frames.push({ from: frame.from, bytes: frame.bytes })
  }

  async #enter(envelope: Uint8Array): Promise<void> {
    const { options, room, members } = this.#shared
    const challenge = verifyChallenge(envelope, this.#relay.identity)
    const exporter = challenge.exporter && this.#tls !== undefined ? exporterOf(this.#tls) : null
    const self = members.find((member) => member.name === options.self)
    if (self === undefined) return
    const answer = await options.noteSigner.sign(answerCodec, {
      room,
      relay: challenge.relay,
      nonce: challenge.nonce,
      exporter,
      identity: self.identity,
    })
    this.#say({
      what: 'enter',
      authority: options.authority,
      members: [...members],
      name: options.self,
      certificate: toBase64(options.noteCertificate),
      answer: toBase64(toEnvelope(answer)),
    })
  }
}

const exporterOf = (socket: TLSSocket): Hash =>
  toHex(socket.exportKeyingMaterial(32, EXPORTER_LABEL, Buffer.alloc(0))) as Hash

/** Throws where the challenge is not signed by the relay that it names, or names another than the definition does. */
const verifyChallenge = (envelope: Uint8Array, expected: Identity | null): Challenge => {
  const challenge = openChallenge(envelope)
  if (expected !== null && challenge.relay !== expected)
    throw new Error('another relay answers than the definition names')
  return challenge
}
