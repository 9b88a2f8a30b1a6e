import { createHash } from 'node:crypto'
import { systemClock } from '../../src/host/clock.ts'
import { systemRandom } from '../../src/host/random.ts'
import type { Hash, Identity, KeyHex, SiteId } from '../../src/lib/brand.ts'
import { fromUtf8, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Random } from '../../src/lib/ports.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { Channel } from '../../src/transport/channel.ts'
import { type Channels, type ChannelsOptions, openChannels } from '../../src/transport/channels.ts'
import { keyPair } from '../../src/transport/noise.ts'
import type { Wire } from '../../src/transport/wire.ts'

export const site = (name: string): SiteId => name as SiteId
export const TOPIC = hashOf(utf8('topic'))
export const AUTHORITY = hashOf(utf8('authority'))

/** A stream of bytes that is the same for the same seed. */
export const seeded = (seed: string): Random => {
  let counter = 0
  return (length) => {
    const out = new Uint8Array(length)
    for (let at = 0; at < length; at += 32) {
      const block = createHash('sha256').update(`${seed} ${counter++}`).digest()
      out.set(block.subarray(0, Math.min(32, length - at)), at)
    }
    return out
  }
}

/** What a member is in these tests: an identity as text and a certificate that only says whose key it is. */
export const identityFor = (name: string): Identity => `qsite1${name}` as Identity

export const certificateFor = (name: string, staticKey: string): Uint8Array => utf8(`${name} ${staticKey}`)

export interface End {
  readonly name: SiteId
  readonly channels: Channels
  readonly messages: { from: SiteId; topic: Hash; text: string; length: number }[]
  readonly connected: Channel[]
  readonly replaced: SiteId[]
  readonly wire: Wire
  close(): Promise<void>
}

/** Opens the channels of one member of a group that trusts certificates as `certificateFor` makes them. */
export const openEnd = (
  name: string,
  others: readonly string[],
  wire: Wire,
  changes: Partial<ChannelsOptions> = {},
): End => {
  const secret = systemRandom(32)
  const publicKey = toHex(keyPair(new Secret(secret.slice())).publicKey)
  const messages: End['messages'] = []
  const connected: Channel[] = []
  const replaced: SiteId[] = []
  const channels = openChannels({
    wire,
    self: site(name),
    authority: AUTHORITY,
    clock: systemClock,
    random: systemRandom,
    peers: new Map(others.map((other) => [site(other), identityFor(other)])),
    identity: identityFor(name),
    staticKey: new Secret(secret),
    certificate: certificateFor(name, publicKey),
    verifyCertificate: (peer, certificate, key: KeyHex) => fromUtf8(certificate) === `${peer} ${key}`,
    onConnected: (channel) => connected.push(channel),
    onMessage: (from, topic, message) =>
      messages.push({ from, topic, text: fromUtf8(message.subarray(0, 200)), length: message.length }),
    onReplaced: (peer) => replaced.push(peer),
    ...changes,
  })
  return {
    name: site(name),
    channels,
    messages,
    connected,
    replaced,
    wire,
    close: async () => {
      await channels.close()
      await wire.close()
    },
  }
}

/** Resolves when `holds` does; rejects after `ms`. */
export const until = async (holds: () => boolean, ms = 60_000): Promise<void> => {
  const end = performance.now() + ms
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not so after ${ms} ms: ${holds}`)
    await systemClock.sleep(2)
  }
}
