import type { Hash, Identity, KeyHex, SiteId } from '../lib/brand.ts'
import { compare, utf8 } from '../lib/bytes.ts'
import type { Clock, Random } from '../lib/ports.ts'
import type { Secret } from '../lib/secret.ts'
import type { Channel } from './channel.ts'
import { type Counters, newCounters } from './counters.ts'
import { keyPair } from './noise.ts'
import { closedError, SecureLink } from './secure-link.ts'
import type { Wire } from './wire.ts'

/** How long `close` waits for what is not acknowledged. */
const FLUSH = 500

export interface ChannelsOptions {
  readonly wire: Wire
  readonly self: SiteId
  readonly authority: Hash
  readonly clock: Clock
  readonly random: Random
  /** Both identities are bound in the prologue; the lower one, bytewise, begins handshakes. */
  readonly peers: ReadonlyMap<SiteId, Identity>
  readonly identity: Identity
  /** X25519 private key of this join; may be wiped after the call. */
  readonly staticKey: Secret
  /** DSSE envelope of its certificate. */
  readonly certificate: Uint8Array
  /** True where the peer's identity certified this static key for channels under this authority. Must not throw. */
  verifyCertificate(peer: SiteId, certificate: Uint8Array, staticKey: KeyHex): boolean
  /** Both sides have the keys. Called again, with another binding, after every handshake that replaces an older one. */
  onConnected(channel: Channel): void
  /** In order, each message once. An error that it throws is a fault of this program and ends it. */
  onMessage(peer: SiteId, topic: Hash, message: Uint8Array): void
  /** The peer came back as a new process: what it had not acknowledged was rejected. `onConnected` follows. */
  onReplaced?(peer: SiteId): void
}

interface PeerStatus {
  readonly connected: boolean
  /** Monotonic milliseconds of the last authentic packet. */
  readonly lastHeard: number | undefined
  /** Smoothed, milliseconds. */
  readonly roundTrip: number | undefined
  /** Bytes that the peer has not acknowledged. */
  readonly queued: number
}

export interface Channels {
  /**
   * Resolves when the peer's end has it; may be called before the peer is there. Rejects with E_PEER_RESTARTED where
   * the peer came back as a new process first, and with E_PEER_SILENT where the channels were closed first or too much
   * is waiting already. A message is at most 8 MiB.
   */
  send(peer: SiteId, topic: Hash, message: Uint8Array): Promise<void>
  status(): ReadonlyMap<SiteId, PeerStatus>
  readonly counters: Readonly<Counters>
  /** Waits briefly for what is not acknowledged, then rejects it. The wire stays open. */
  close(): Promise<void>
}

/** Sealed, reliable, ordered channels to all peers over one wire, whose only reader they are. */
export const openChannels = (options: ChannelsOptions): Channels => {
  const { wire, clock, random, authority } = options
  const self = {
    identity: options.identity,
    static: keyPair(options.staticKey),
    certificate: options.certificate,
    instance: random(16),
    random,
  }
  const counters = newCounters()
  const peers = new Map<SiteId, SecureLink>()
  let closing: Promise<void> | undefined
  let stopped = false
  let sleeper = new AbortController()
  let wakeAt = Number.NEGATIVE_INFINITY

  const due = (): number => Math.min(Number.POSITIVE_INFINITY, ...[...peers.values()].map((peer) => peer.due()))
  const wake = (): void => sleeper.abort()

  for (const [name, identity] of options.peers) {
    const peer: SecureLink = new SecureLink({
      name,
      authority,
      self,
      other: { identity, accepts: (certificate, key) => options.verifyCertificate(name, certificate, key) },
      initiator: compare(utf8(options.identity), utf8(identity)) < 0,
      counters,
      now: () => clock.monotonic(),
      changed: () => {
        if (peer.due() < wakeAt) wake()
      },
      transmit: (frame) => wire.send(name, frame),
      onConnected: options.onConnected,
      onReplaced: () => options.onReplaced?.(name),
      onMessage: (topic, message) => options.onMessage(name, topic, message),
    })
    peers.set(name, peer)
  }

  const receive = async (): Promise<void> => {
    for await (const frame of wire.receive()) {
      if (stopped) return
      const peer = peers.get(frame.from)
      if (peer === undefined) counters.strangers += 1
      else peer.receive(frame.bytes)
    }
  }
  const keepTime = async (): Promise<void> => {
    while (!stopped) {
      sleeper = new AbortController()
      wakeAt = due()
      const { signal } = sleeper
      if (wakeAt === Number.POSITIVE_INFINITY)
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      else await clock.sleep(Math.max(0, wakeAt - clock.monotonic()), signal).catch(() => {})
      wakeAt = Number.NEGATIVE_INFINITY
      if (!stopped) for (const peer of peers.values()) peer.tick()
    }
  }
  wire.whenOpened?.(() => {
    for (const peer of peers.values()) peer.retransmitNow()
  })
  void receive()
  void keepTime()

  const stop = async (): Promise<void> => {
    const end = clock.monotonic() + FLUSH
    while (clock.monotonic() < end && [...peers.values()].some((peer) => peer.connected && !peer.idle))
      await clock.sleep(5)
    stopped = true
    for (const peer of peers.values()) peer.close()
    wake()
  }
  return {
    counters,
    send: (name, topic, message) => {
      const peer = peers.get(name)
      if (peer === undefined) return Promise.reject(new RangeError(`no peer ${name}`))
      return closing === undefined ? peer.send(topic, message) : Promise.reject(closedError(name))
    },
    status: () =>
      new Map([...peers].map(([name, peer]) => [name, { connected: peer.connected, ...peer.state }] as const)),
    close: () => {
      closing ??= stop()
      return closing
    },
  }
}
