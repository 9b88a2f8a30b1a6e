import { expect, it } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { readSignedMessage } from '../../src/ceremony/session/round-message.ts'
import type { Identity, SiteId } from '../../src/lib/brand.ts'
import { compare, utf8 } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { decodeContent, decodeFrame, decodeSealed } from '../../src/transport/channel-frame.ts'
import { initiate } from '../../src/transport/handshake.ts'
import { keyPair, open } from '../../src/transport/noise.ts'
import { Inbox } from '../../src/transport/stream.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { memoryWorld } from '../support/memory-site.ts'
import { seededRandom } from '../support/random.ts'
import { approveAll, joinAs } from './ceremonies.ts'

const sites = ['s1', 's2', 's3'] as SiteId[]

interface Seen {
  readonly from: SiteId
  readonly to: SiteId
  readonly frame: Uint8Array
}

/** Every way to read three successive draws as the ephemeral key, the KEM's seed and the id of a handshake. */
const tries = (drawn: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] =>
  drawn.flatMap((first, at) => {
    const [second, third] = [drawn[at + 1], drawn[at + 2]]
    return second === undefined || third === undefined || first.length < 32 || second.length < 64 || third.length < 16
      ? []
      : [[first.slice(0, 32), second.slice(0, 64), third.slice(0, 16)]]
  })

/** Channels of `a` to `b` that open to who knows every byte that a's generator gave. */
const opened = (
  authority: Parameters<typeof initiate>[0],
  [a, b]: readonly [Identity, Identity],
  drawn: readonly Uint8Array[],
  frames: readonly Uint8Array[],
): readonly string[] => {
  const decoded = frames.flatMap((frame) => decodeFrame(frame) ?? [])
  const seconds = decoded.filter(({ kind }) => kind === 'second')
  const read: string[] = []
  const statics = drawn.slice(0, 4).map((bytes) => bytes.slice(0, 32))
  for (const secret of statics)
    for (const replay of tries(drawn)) {
      const left = replay.map((bytes) => bytes.slice())
      const begun = initiate(
        authority,
        {
          identity: a,
          static: keyPair(new Secret(secret.slice())),
          certificate: new Uint8Array(0),
          instance: new Uint8Array(16),
          random: () => left.shift() as Uint8Array,
        },
        { identity: b, accepts: () => true },
      )
      for (const second of seconds.filter(({ id }) => id === begun.id).slice(0, 1)) {
        const done = begun.finish(second.body)
        if (typeof done === 'string') continue
        const inbox = new Inbox(({ message }) => {
          try {
            read.push(readSignedMessage(message).round)
          } catch {
            read.push('a peer message')
          }
        })
        for (const one of decoded) {
          if (one.kind !== 'sealed' || one.id !== begun.id) continue
          const packet = decodeSealed(one.body)
          for (const key of [done.established.send, done.established.receive]) {
            const plain = packet && open(key, packet.number, new Uint8Array(0), packet.ciphertext)
            const segment = plain && decodeContent(plain)?.segment
            if (segment !== undefined) inbox.accept(segment)
          }
        }
      }
    }
  return read
}

it('opens no channel: the traffic and all that the system’s generators gave are not enough', async () => {
  const world = await memoryWorld(sites)
  const definition = await keygenDefinition({ sites: await siteEntries(sites) })
  await approveAll(world, sites, definition)
  const seen: Seen[] = []
  world.network.set({
    tamper: (from, to, frame) => {
      seen.push({ from: from as SiteId, to: to as SiteId, frame: frame.slice() })
      return [frame]
    },
  })
  const drawn = new Map<SiteId, Uint8Array[]>(sites.map((name) => [name, []]))
  const known = (name: SiteId) => {
    const stream = seededRandom(`the same image at ${name}`)
    return (length: number) => {
      const bytes = stream(length)
      drawn.get(name)?.push(bytes.slice())
      return bytes
    }
  }
  const joined = await Promise.all(
    sites.map((name) => joinAs(world, name, definition, null, undefined, { machine: { random: known(name) } })),
  )
  expect(new Set(joined.map(({ result }) => result?.key?.publicKey)).size).toBe(1)

  const identity = new Map(definition.sites.map((site) => [site.name, site.identity]))
  const read: string[] = []
  for (const a of sites)
    for (const b of sites) {
      const [one, other] = [identity.get(a) as Identity, identity.get(b) as Identity]
      if (compare(utf8(one), utf8(other)) >= 0) continue
      const between = seen.filter(({ from, to }) => (from === a && to === b) || (from === b && to === a))
      expect(between.length).toBeGreaterThan(10)
      const frames = between.map(({ frame }) => frame)
      read.push(...opened(definitionAuthority(definition).hash, [one, other], drawn.get(a) ?? [], frames))
    }
  expect(read).toEqual([])
  // The hedge asks for 64 bytes at a time, and nothing else asks.
  expect([...new Set([...drawn.values()].flat().map((bytes) => bytes.length))]).toEqual([64])
})
