import { hkdfSync } from 'node:crypto'
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readBundle } from '../../src/audit/bundle.ts'
import { bufferSource } from '../../src/audit/tar.ts'
import { readSignedMessage } from '../../src/ceremony/session/round-message.ts'
import { systemClock } from '../../src/host/clock.ts'
import { openRoot } from '../../src/host/disk.ts'
import { systemRandom } from '../../src/host/random.ts'
import { rawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import { openHome } from '../../src/identity/home.ts'
import { openKmsKey } from '../../src/kms/registry.ts'
import { openAead } from '../../src/lib/aead.ts'
import type { Identity, Index, SiteId } from '../../src/lib/brand.ts'
import { concat, fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf, tupleHash } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { evaluate } from '../../src/mpc/frost/polynomial.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { DecodeError } from '../../src/records/codec.ts'
import type { ProtocolId } from '../../src/records/definition-fields.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardCiphertextCodec, shardFileCodec } from '../../src/records/sealed-shard.ts'
import { shardStore } from '../../src/shards/store.ts'
import { startRelay } from '../../src/transport/relay/server.ts'
import { newFolder } from '../e2e/support.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'
import { startDumbRouter } from '../support/dumb-router.ts'
import { report } from '../support/report.ts'
import { encodingsOf, finder, type Secretive } from './needles.ts'
import { expanded, filesUnder, heap, type SeededJoin, type SeededSite, seededJoin, seededSite } from './seeded-sites.ts'
import { startTap } from './tap.ts'

/** What all hedged sources gave, and what all channels were keyed with: written down beside the product. */
const captured = vi.hoisted(() => ({
  hedged: [] as { hedgeKey: string; session: string; label: string; draws: Uint8Array[] }[],
  channels: [] as Uint8Array[],
}))
vi.mock('../../src/mpc/hedged.ts', async (original) => {
  const real = await original<typeof import('../../src/mpc/hedged.ts')>()
  return {
    ...real,
    hedgedRandom: (options: Parameters<typeof real.hedgedRandom>[0]) => {
      const random = real.hedgedRandom(options)
      const draws: Uint8Array[] = []
      const { session, label, hedgeKey } = options
      captured.hedged.push({ hedgeKey: Buffer.from(hedgeKey.reveal()).toString('hex'), session, label, draws })
      return (length: number) => {
        const bytes = random(length)
        draws.push(bytes.slice())
        return bytes
      }
    },
  }
})
vi.mock('../../src/transport/cipher-state.ts', async (original) => {
  const real = await original<typeof import('../../src/transport/cipher-state.ts')>()
  class CipherState extends real.CipherState {
    constructor(established: ConstructorParameters<typeof real.CipherState>[0]) {
      captured.channels.push(established.send.slice(), established.receive.slice())
      super(established)
    }
  }
  return { ...real, CipherState }
})

const names = ['eu', 'us', 'ap']
const message = utf8('pay nobody')
const work = newFolder('secrets')
afterAll(work.remove)

interface Medium {
  readonly relay: { readonly url: string; readonly identity: Identity | null }
  traffic(): readonly Uint8Array[]
  close(): Promise<void>
}

/** Our relay, every byte to and from it copied. */
const tapped = async (): Promise<Medium> => {
  const relay = await startRelay({
    host: '127.0.0.1',
    port: 0,
    signer: recordSigner('relay' as SiteId, rawSigner(new Secret(systemRandom(32)))),
    clock: systemClock,
    random: systemRandom,
  })
  const tap = await startTap(relay.port)
  return {
    relay: { url: `ws://127.0.0.1:${tap.port}`, identity: relay.identity },
    traffic: tap.traffic,
    close: async () => {
      await tap.close()
      await relay.close()
    },
  }
}

const dumb = async (): Promise<Medium> => {
  const seen: Uint8Array[] = []
  const router = await startDumbRouter((frame) => seen.push(frame.slice()))
  return { relay: { url: router.url, identity: null }, traffic: () => seen, close: router.close }
}

const endOf = (run: SeededJoin): Promise<unknown> => run.done.catch((error: unknown) => error)

describe.each<[string, () => Promise<Medium>, ProtocolId]>([
  ['our relay', tapped, 'frost-ed25519'],
  ['our relay, taproot', tapped, 'frost-secp256k1-tr'],
  ['a router of fifty lines', dumb, 'frost-ed25519'],
])('over %s', (title, start, protocol) => {
  const folder = join(work.path, title.replace(/\W+/g, '-'))
  const sites: SeededSite[] = []
  const secrets: (Secretive & { readonly place: string | null })[] = []
  const told: unknown[] = []
  let medium: Medium
  let key: { id: string; publicKey: string }
  let signature = ''
  const bundles = new Map<string, Uint8Array>()

  const joinAll = async (
    who: readonly SeededSite[],
    definition: Parameters<typeof seededJoin>[1],
    given?: Uint8Array,
  ): Promise<readonly SeededJoin[]> => Promise.all(who.map((site) => seededJoin(site, definition, given)))

  beforeAll(async () => {
    captured.hedged.length = 0
    captured.channels.length = 0
    medium = await start()
    for (const name of names) sites.push(await seededSite(folder, name))
    const relays = [medium.relay]
    const common = { protocol, relays, sites: sites.map((site) => site.entry) }
    const keygen = await keygenDefinition(common)
    const runs = await joinAll(sites, keygen)
    const made = await Promise.all(runs.map((run) => run.done))
    told.push(made, ...runs.map((run) => run.events))
    expect(new Set(made.map((one) => one.key?.publicKey)).size).toBe(1)
    key = made[0]?.key as typeof key
    bundles.set('keygen', readFileSync(join(sites[0]?.home ?? '', made[0]?.bundle ?? '')))

    const disk = await openRoot(sites[0]?.home ?? '')
    const [epoch] = await shardStore(disk).list()
    await disk.close()
    if (epoch?.record === undefined) throw new Error('no epoch')
    const sign = await signDefinition({
      ...common,
      key: epoch.key,
      base: hashOf(recordCodec.encode(epoch.record)),
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    })
    const signing = await joinAll(
      sites.filter(({ name }) => name !== 'us'),
      sign,
      message,
    )
    const signed = await Promise.all(signing.map((run) => run.done))
    told.push(signed, ...signing.map((run) => run.events))
    signature = signed[0]?.signature ?? ''
    bundles.set('sign', readFileSync(join(sites[0]?.home ?? '', signed[0]?.bundle ?? '')))

    // A key generation that is stopped in the middle: what a crash or an abort leaves.
    const halted = await joinAll(sites, await keygenDefinition({ ...common, name: 'halted', nonce: 'ff'.repeat(16) }))
    const reason = new Error('stopped by the test')
    for (const run of halted) {
      const stop = setInterval(() => {
        if (run.events.some((event) => event.phase === 'round' && event.round === 'shares')) run.stop.abort(reason)
      }, 1)
      run.done.finally(() => clearInterval(stop)).catch(() => undefined)
    }
    const ends = await Promise.all(halted.map(endOf))
    expect(ends.filter((end) => end instanceof Error)).toHaveLength(3)
    told.push(ends, ...halted.map((run) => run.events))

    secrets.push(...sites.flatMap((site) => site.secrets))
    for (const bytes of captured.channels) secrets.push({ name: 'a channel key', bytes, place: null })
    await derive()
  })
  afterAll(() => medium.close())

  const suite = suiteOf(protocol)
  const { field } = suite.group
  const shares = new Map<string, Uint8Array>()
  /** First coefficient's commitment of each dealer, and nonce commitments of each signer, as they follow from the secrets. */
  const public_ = { dealt: new Set<string>(), nonces: new Set<string>() }

  const add = (name: string, bytes: Uint8Array): void => void secrets.push({ name, bytes, place: null })

  /** Shares, polynomials, nonces and data keys, computed again from what was drawn. */
  const derive = async (): Promise<void> => {
    const siteOf = new Map(
      sites.map((site) => [toHex(site.secrets.find(({ name }) => name.endsWith(' hedge'))?.bytes ?? utf8('')), site]),
    )
    for (const site of sites) {
      const disk = await openRoot(site.home)
      const store = shardStore(disk)
      for (const epoch of await store.list()) {
        const slot = { provider: 'local', key: site.kmsFile }
        const kms = await openKmsKey(slot, { home: site.home, random: systemRandom })
        const share = (await store.reopen(epoch.key, epoch.outcome, epoch.envelope, [kms])).reveal().slice()
        add(`${site.name} share`, share)
        if (epoch.state !== 'installed') continue
        shares.set(site.name, share)
        const element = suite.group.timesBase(field.decode(share) ?? field.fromNumber(1))
        expect(toHex(suite.group.encode(element))).toBe(epoch.core.verifyingShare)
      }
      await disk.close()
    }
    for (const { hedgeKey, label, draws: all } of captured.hedged) {
      const site = siteOf.get(hedgeKey)
      if (site === undefined) throw new Error('randomness of no site')
      // The last draw of a dealing is the salt, which its opening shows.
      const draws = label.endsWith('/keygen/v2') ? all.slice(0, -1) : all
      const name = `${site.name} ${label}`
      if (label === 'sealing') {
        // The second draw is the salt, which the envelope shows.
        const [dataKey] = draws
        if (dataKey === undefined) throw new Error('nothing sealed')
        add(`${name} data key`, dataKey)
        continue
      }
      // Shorter draws are ids and nonces, which others see.
      for (const [n, draw] of draws.entries()) if (draw.length >= 32) add(`${name} draw ${n + 1}`, draw)
      if (label === 'join keys')
        for (const [n, draw] of draws.entries())
          for (const one of expanded(`${name} ${n + 1}`, draw)) secrets.push({ ...one, place: null })
      if (!label.includes('/') && label !== 'possession') continue
      if (label.includes('/sign')) {
        const share = shares.get(site.name) as Uint8Array
        for (const draw of draws) {
          const nonce = suite.h3(concat(draw, share))
          add(`${name} nonce`, field.encode(nonce))
          public_.nonces.add(toHex(suite.group.encode(suite.group.timesBase(nonce))))
        }
        continue
      }
      const scalars = draws.map((draw) => field.reduce(draw))
      for (const scalar of scalars) add(`${name} scalar`, field.encode(scalar))
      if (!label.endsWith('/keygen/v2')) continue
      const coefficients = scalars.slice(0, 2)
      for (const index of [1, 2, 3])
        add(`${name} share for ${index}`, field.encode(evaluate(field, coefficients, index as Index)))
      public_.dealt.add(toHex(suite.group.encode(suite.group.timesBase(coefficients[0] as never))))
    }
    for (const site of sites) {
      const files = filesUnder(join(site.home, 'keys'))
      for (const { bytes } of files.filter(({ path }) => path.endsWith('/shard'))) {
        const [core, ciphertext] = shardFileCodec.decode(bytes)
        const slots = files.find(({ path }) => path.endsWith('/slots'))?.bytes ?? utf8('')
        const { salt, sealed } = shardCiphertextCodec.decode(ciphertext)
        const binding = tupleHash('quorate shard key v1', core, slots)
        let opened = 0
        for (const { hedgeKey, label, draws } of captured.hedged) {
          if (label !== 'sealing' || siteOf.get(hedgeKey) !== site) continue
          const out = new Uint8Array(hkdfSync('sha256', draws[0] ?? utf8(''), salt, binding, 76))
          const share = openAead(out.subarray(0, 32), out.subarray(32, 44), sealed, binding)
          if (share === undefined) continue
          opened += 1
          add(`${site.name} sealing key`, out.slice(0, 32))
        }
        expect(opened).toBe(1)
      }
    }
  }

  test('the key and the signature are made', async () => {
    const protocols = await loadScheme(protocol)
    expect(protocols.verifySignature(fromHex(key.publicKey), message, fromHex(signature))).toBe(true)
  })

  test('and the secrets are those of this run: what was sent in the open follows from them', async () => {
    const commitments = { keygen: new Set<string>(), sign: new Set<string>() }
    const shownIn = { keygen: 'openings', sign: 'commitments' }
    for (const [kind, bundle] of bundles) {
      const reader = await readBundle(bufferSource(bundle))
      for (const hash of reader.objects) {
        const post = postIn((await reader.object(hash)) ?? utf8(''))
        if (post?.round === shownIn[kind as 'keygen' | 'sign'] && post.payload !== undefined)
          commitments[kind as 'keygen' | 'sign'].add(toHex(post.payload))
      }
    }
    const within = (all: ReadonlySet<string>, payloads: ReadonlySet<string>): number =>
      [...all].filter((one) => [...payloads].some((payload) => payload.includes(one))).length
    expect(within(public_.dealt, commitments.keygen)).toBe(3)
    expect(within(public_.nonces, commitments.sign)).toBe(4)
  })

  test('no secret of any site stands in the relay’s traffic, in any file or in any output, but in its own place', () => {
    const find = finder(secrets)
    const traffic = heap(medium.traffic())
    expect(find(traffic)).toEqual([])
    // What is in the open is there to be found.
    if (start === tapped) expect(Buffer.from(traffic).includes('"what":"enter"')).toBe(true)
    expect(captured.channels.length).toBeGreaterThan(10)
    const output = heap([
      utf8(JSON.stringify(told)),
      utf8(told.map((one) => String((one as Error)?.stack ?? '')).join('\n')),
    ])
    expect(find(output)).toEqual([])
    const places = new Map(secrets.filter(({ place }) => place !== null).map(({ name, place }) => [name, place]))
    const files = filesUnder(folder)
    const right: string[] = []
    const wrong: string[] = []
    for (const { path, bytes } of files)
      for (const { name, encoding } of find(bytes))
        (places.get(name) === path ? right : wrong).push(`${name} as ${encoding} in ${path}`)
    expect(wrong).toEqual([])
    // Each where it belongs and nowhere else: five of a home, and the KMS key.
    expect(right).toHaveLength(3 * 6)
    const encodings = encodingsOf(new Uint8Array(32)).size
    report(
      `${title}: ${secrets.length} secrets in ${encodings} encodings; ${traffic.length} bytes of traffic, ${files.length} files of ${files.reduce((sum, { bytes }) => sum + bytes.length, 0)} bytes: none found`,
    )
    expect(traffic.length).toBeGreaterThan(100_000)
    expect(secrets.length).toBeGreaterThan(100)
  })

  test('a home of it alone opens nothing: not with its own bytes, not with another key', async () => {
    const stolen = join(folder, 'thief', 'eu')
    mkdirSync(join(folder, 'thief'), { recursive: true })
    cpSync(sites[0]?.home ?? '', stolen, { recursive: true, mode: 0 })
    const disk = await openRoot(stolen)
    const thief = await openHome(disk)
    const store = shardStore(thief.disk)
    const epoch = (await store.list()).find(({ state }) => state === 'installed')
    if (epoch === undefined) throw new Error('no epoch')
    const context = { home: stolen, random: systemRandom }
    const open = async (file: string) =>
      store.reopen(epoch.key, epoch.outcome, epoch.envelope, [
        await openKmsKey({ provider: 'local', key: file }, context),
      ])
    await expect(open(join(folder, 'thief', 'gone.key'))).rejects.toMatchObject({ code: 'E_KMS_UNAVAILABLE' })
    // Another site's key, where the thief puts it in the place of this one's.
    const other = join(folder, 'thief', 'other.key')
    copyFileSync(sites[1]?.kmsFile ?? '', other)
    await expect(open(other)).rejects.toMatchObject({ code: 'E_KMS_DENIED' })
    copyFileSync(sites[0]?.kmsFile ?? '', other)
    expect((await open(other)).length).toBe(field.bytes)

    // Every 32 bytes in the home, and every 64 hex digits, tried as the KMS key and as the data key.
    const files = filesUnder(stolen).filter(({ path }) => !path.includes('/bundles/'))
    const slots = files.find(({ path }) => path.endsWith('/slots'))?.bytes ?? utf8('')
    const [core, ciphertext] = shardFileCodec.decode(
      files.find(({ path }) => path.endsWith('/shard'))?.bytes ?? utf8(''),
    )
    const { salt, sealed } = shardCiphertextCodec.decode(ciphertext)
    const binding = tupleHash('quorate shard key v1', core, slots)
    const opens = (candidate: Uint8Array): boolean => {
      const out = new Uint8Array(hkdfSync('sha256', candidate, salt, binding, 76))
      return openAead(out.subarray(0, 32), out.subarray(32, 44), sealed, binding) !== undefined
    }
    let tried = 0
    for (const { path, bytes } of files) {
      if (!/\/(?:identity|hedge|site\.yaml|shard|slots|record|outcome|votes|[a-z]+\.key)$/.test(path)) continue
      for (let at = 0; at + 32 <= bytes.length; at++) {
        tried += 1
        expect(opens(bytes.subarray(at, at + 32))).toBe(false)
      }
      for (const [digits] of Buffer.from(bytes)
        .toString('latin1')
        .matchAll(/[0-9a-f]{64}/g)) {
        tried += 1
        expect(opens(fromHex(digits))).toBe(false)
      }
    }
    expect(tried).toBeGreaterThan(3000)
    const [dataKey] =
      captured.hedged.find(({ label, hedgeKey }) => label === 'sealing' && hedgeKey === toHex(thief.hedge.reveal()))
        ?.draws ?? []
    expect(opens(dataKey ?? utf8(''))).toBe(true)
    await disk.close()
    rmSync(join(folder, 'thief'), { recursive: true })
  })
})

const postIn = (bytes: Uint8Array) => {
  try {
    return readSignedMessage(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

test('the search finds a secret in every encoding, and nothing else', () => {
  const secret = systemRandom(32)
  const find = finder([{ name: 'it', bytes: secret }])
  const noise = systemRandom(5000)
  expect(find(noise)).toEqual([])
  for (const [encoding, written] of encodingsOf(secret))
    expect([encoding, find(concat(noise, written, noise)).map(({ name, at }) => [name, at])]).toEqual([
      encoding,
      [['it', 5000]],
    ])
  for (const before of ['', 'a', 'ab', 'abc', 'abcd'])
    for (const encoding of ['base64', 'base64url'] as const)
      expect(
        find(utf8(Buffer.concat([Buffer.from(before), secret, Buffer.from('xyz')]).toString(encoding))),
      ).toHaveLength(1)
  const file = utf8(Buffer.from(`{"key":"${toHex(secret)}"}`).toString('base64'))
  expect(find(file)).toHaveLength(1)
})
