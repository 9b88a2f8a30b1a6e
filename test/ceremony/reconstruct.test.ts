import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import { Ceremony, type JoinControl } from '../../src/ceremony/store/ceremony.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { fromBase64, toBase64, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import { openByAge } from '../../src/recipients/age.ts'
import { sealTo } from '../../src/recipients/seal.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { ReconstructDefinition } from '../../src/records/kinds/reconstruct.ts'
import { type Release, type ReleasedShare, releasedShareCodec } from '../../src/records/release.ts'
import { openKeyFile } from '../../src/site/open-key.ts'
import { noteSuspension } from '../../src/site/suspend.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, refreshDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, type MemoryWorld, memorySite, memoryWorld, startJoin } from '../support/memory-site.ts'
import { ageRecipient, identityFile } from '../support/recipients.ts'
import { approversApprove, reconstructOf } from '../support/reconstructs.ts'
import { inTurn, LONG } from '../support/report.ts'
import { joinSites, newestAt, recordHashOf } from '../support/reshares.ts'

const names = ['eu', 'us', 'ap']
const [eu, us, ap] = names as [SiteId, SiteId, SiteId]
const deadlines = { gather: 60, proposal: 5, round: 20, close: 10 }

let world: MemoryWorld
let keygen: KeygenDefinition
beforeAll(async () => {
  world = await memoryWorld(names)
  keygen = await keygenDefinition({ sites: await siteEntries(names), deadlines })
  for (const end of await joinSites(world, names, keygen)) if (end.status === 'rejected') throw end.reason
})
afterEach(() => {
  vi.restoreAllMocks()
})

let count = 0
/** A definition like no other, with both approvals at its sites. One recipient, where a test needs no more. */
const planned = async (changes: Partial<ReconstructDefinition> = {}): Promise<ReconstructDefinition> => {
  count += 1
  const nonce = hashOf(utf8(`reconstruct ${count}`)).slice(0, 32)
  const definition = await reconstructOf(world, keygen, { nonce, deadlines, recipients: [ageRecipient()], ...changes })
  await approversApprove(world, definition.givers, definition)
  return definition
}

const bundleAt = async (name: string, path: string | null) =>
  (await world.homes.get(name)?.disk.read(path ?? '')) ?? expect.fail(`no bundle at ${name}`)

/** Those who approved before join again. */
const rejoin = async (who: readonly string[], definition: ReconstructDefinition) => {
  const runs = await Promise.all(who.map((name) => startJoin(world, name, definition)))
  return Promise.allSettled(runs.map(({ done }) => done))
}

/** All approve and join, each as this site. */
const joinAs = async (
  sites: readonly Site[],
  definition: ReconstructDefinition,
  controls = new Map<string, JoinControl>(),
) => {
  for (const name of names) await approveIn(world, name, definition)
  return Promise.allSettled(
    sites.map((site, at) =>
      joinCeremony(site, definition, {
        progress: () => undefined,
        signal: new AbortController().signal,
        message: null,
        check: false,
        control: (control) => controls.set(names[at] as string, control),
      }),
    ),
  )
}

const closed = (end: PromiseSettledResult<JoinResult> | undefined): JoinResult => {
  if (end?.status !== 'fulfilled') throw end?.reason
  return end.value
}

const verified = async (bundle: Uint8Array) =>
  verifyBundle(await open(bundle), { trust: 'stated', evidence: protocolEvidence })

const opened = (bundle: Uint8Array, identity = 'age.txt') =>
  openKeyFile({
    bundle: (async function* () {
      yield bundle
    })(),
    identity: identityFile(identity),
    trust: undefined,
    trustStated: true,
  })

const publicKeyOf = (secret: Uint8Array): string => {
  const { group } = suiteOf('frost-ed25519')
  return toHex(group.encode(group.timesBase(group.field.decode(secret) ?? expect.fail())))
}

/** At this moment of this site something else happens than its own record, or before it. */
const atRelease = (site: string, act: (value: Release, ceremony: Ceremony) => Promise<Release> | Release) => {
  const { publish } = Ceremony.prototype
  vi.spyOn(Ceremony.prototype, 'publish').mockImplementation(async function (this: Ceremony, name, value) {
    const said = name === 'release' && this.seat.name === site ? await act(value as Release, this) : value
    return publish.call(this, name, said as never) as never
  })
}

describe('a key that is given away', () => {
  let definition: ReconstructDefinition
  let bundle: Uint8Array

  beforeAll(async () => {
    definition = await reconstructOf(world, keygen)
    await approversApprove(world, names, definition)
    const ends = await joinSites(world, names, definition)
    const hashes = new Set<string>()
    for (const [at, end] of ends.entries()) {
      const result = closed(end)
      expect(result).toMatchObject({ state: 'closed', open: [], key: { id: definition.key } })
      bundle = await bundleAt(names[at] as string, result.bundle)
      hashes.add(hashOf(bundle))
    }
    expect(hashes.size).toBe(1)
  })

  it('says so in its bundle, and every check holds', async () => {
    const report = await verified(bundle)
    expect(report.checks.filter(({ id, verdict }) => verdict !== 'holds' && id !== 'time.stamped')).toEqual([])
    expect(report).toMatchObject({
      verdict: 'valid',
      bundle: { kind: 'reconstruct', state: 'made' },
      reconstructed: [
        { reason: 'the vendor is gone', by: [...names].sort(), recipients: [{ name: 'counsel' }, {}, {}] },
      ],
    })
  })

  it.each(['age.txt', 'p256.key', 'rsa.key'])('opens with the identity of each recipient: %s', async (file) => {
    const key = await opened(bundle, file)
    expect(key.pieces.map(({ verdict }) => verdict)).toEqual(['holds', 'holds', 'holds'])
    expect(publicKeyOf(key.secret.reveal())).toBe(definition.of.publicKey)
  })

  it('opens with nobody else’s identity', async () => {
    await expect(opened(bundle, 'other-age.txt')).rejects.toMatchObject({ code: 'E_REFUSED' })
  })

  it('is joined again with the same end', async () => {
    const [end] = await rejoin([eu], definition)
    expect(hashOf(await bundleAt('eu', closed(end).bundle))).toBe(hashOf(bundle))
  })

  it('is known at its sites: whatever they make with it later says so', async () => {
    const newest = await newestAt(world, 'eu')
    const message = utf8('pay after that')
    const signing = await signDefinition({
      sites: keygen.sites,
      key: newest.key,
      base: recordHashOf(newest),
      nonce: hashOf(message).slice(0, 32),
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
      signers: [eu, us],
    })
    const [signed] = await joinSites(world, [eu, us], signing, message)
    const report = await verified(await bundleAt('eu', closed(signed).bundle))
    const said = { ceremony: ceremonyId(definition), reason: 'the vendor is gone', by: [eu, us] }
    expect(report).toMatchObject({ verdict: 'valid', reconstructed: [said] })
    expect(report.checks.find(({ id }) => id === 'release.known')).toMatchObject({
      verdict: 'open',
      reason: expect.stringContaining('counsel'),
    })
  })
})

describe('a site that lies', () => {
  const [counsel] = [ageRecipient()]
  const ownIdentity = Buffer.from(identityFile('age.txt')).toString().trim().split('\n').slice(-1)
  const forged = (value: Release, change: (given: ReleasedShare) => ReleasedShare): Promise<Release> =>
    world.clock.hold(forgedNow(value, change))
  const forgedNow = async (value: Release, change: (given: ReleasedShare) => ReleasedShare): Promise<Release> => {
    const plain = await openByAge(ownIdentity, fromBase64(value.sealed[0] ?? ''))
    const bytes = releasedShareCodec.encode(change(releasedShareCodec.decode(plain)))
    return { ...value, sealed: [toBase64(await sealTo(counsel as never, bytes))] }
  }
  const wrong = (given: ReleasedShare): ReleasedShare => {
    const share = given.share.slice()
    share[0] = (share[0] ?? 0) ^ 1
    return { ...given, share }
  }
  const other = 'ab'.repeat(32) as Hash
  const bound = 'given for another ceremony, site or recipient than it stands for'
  const stranger = 'an age file: not sealed to this identity, or not whole'
  const sealedAnew = async (value: Release, to: ReturnType<typeof ageRecipient>, bytes: Uint8Array) => ({
    ...value,
    sealed: [toBase64(await world.clock.hold(sealTo(to, bytes)))],
  })

  const lies: readonly (readonly [string, (value: Release) => Promise<Release>, string])[] = [
    ['another share', (value) => forged(value, wrong), 'not the share that its verifying share names'],
    ['the piece of another index', (value) => forged(value, (g) => ({ ...g, index: 1 as never })), bound],
    ['a piece in another’s name', (value) => forged(value, (g) => ({ ...g, site: eu })), bound],
    ['a piece for another ceremony', (value) => forged(value, (g) => ({ ...g, ceremony: other })), bound],
    ['a piece of another attempt', (value) => forged(value, (g) => ({ ...g, attempt: other })), bound],
    ['a piece of another key', (value) => forged(value, (g) => ({ ...g, key: other })), bound],
    ['a piece of another epoch', (value) => forged(value, (g) => ({ ...g, base: other })), bound],
    ['a piece on another curve', (value) => forged(value, (g) => ({ ...g, protocol: 'frost-ristretto255' })), bound],
    ['a piece for another recipient', (value) => forged(value, (g) => ({ ...g, recipient: 'vault' })), bound],
    ['no piece', async (value) => sealedAnew(value, counsel as never, utf8('nothing')), 'released-share/v1: not CBOR'],
    [
      'it sealed to somebody else',
      async (value) => sealedAnew(value, ageRecipient('x', 'other-age.txt'), utf8('')),
      stranger,
    ],
    ['bytes that are not sealed', async (value) => ({ ...value, sealed: [toBase64(utf8('age'))] }), stranger],
  ]
  it.each(inTurn(lies, 2))(
    'is named to the recipient, and does no harm beside a quorum: %s',
    async (_, lie, reason) => {
      const definition = await planned()
      atRelease(ap, (value) => lie(value))
      const ends = await joinSites(world, names, definition)
      const bundle = await bundleAt('eu', closed(ends[0]).bundle)
      expect((await verified(bundle)).verdict).toBe('valid')
      const key = await opened(bundle)
      expect(key.pieces).toMatchObject([
        { site: eu, verdict: 'holds' },
        { site: us, verdict: 'holds' },
        { site: ap, verdict: 'false', reason },
      ])
      expect(publicKeyOf(key.secret.reveal())).toBe(definition.of.publicKey)
    },
  )

  it('gives the sealed piece of another, which is of no use in its place', async () => {
    const definition = await planned()
    atRelease(ap, async (value, { store }) => {
      const first = await store.until(() => store.releases.get(eu)?.signed.value, 20_000)
      return { ...value, sealed: first?.sealed ?? [] }
    })
    const ends = await joinSites(world, names, definition)
    const key = await opened(await bundleAt('eu', closed(ends[0]).bundle))
    expect(key.pieces.map(({ verdict }) => verdict)).toEqual(['holds', 'holds', 'false'])
    expect(key.pieces[2]?.reason).toBe(bound)
  })

  it('gives twice, is proven to, and is left out of the next one', async () => {
    const definition = await planned()
    const { publish } = Ceremony.prototype
    const lied = new Set<string>()
    vi.spyOn(Ceremony.prototype, 'publish').mockImplementation(async function (this: Ceremony, name, value) {
      const lying = name === 'release' && this.seat.name === ap && !lied.has(this.authority.hash)
      if (lying) {
        lied.add(this.authority.hash)
        const { sealed } = value as Release
        const other = { ...(value as Release), sealed: sealed.map(() => toBase64(utf8('another'))) }
        await publish.call(this, name, other as never).catch(() => undefined)
      }
      return publish.call(this, name, value as never) as never
    })
    const ends = await joinSites(world, names, definition)
    // Whoever had not given when the proof came ends by it, or by the word of another that did; whoever had is done.
    const said = ends.slice(0, 2).map((end) => (end.status === 'rejected' ? end.reason.message : end.value.state))
    for (const one of said) expect(one).toMatch(/^(?:closed|ap gave its share twice|(?:eu|us) left this ceremony)$/)
    expect(said.filter((one) => !/ left /.test(one)).length).toBeGreaterThan(0)
    vi.restoreAllMocks()
    const anew = await planned({ givers: [eu, us] })
    const after = await joinSites(world, [eu, us], anew)
    const key = await opened(await bundleAt('eu', closed(after[0]).bundle))
    expect(publicKeyOf(key.secret.reveal())).toBe(definition.of.publicKey)
  })

  it('keeps the key from them where there are no more than a quorum, and is named', async () => {
    const definition = await planned({ givers: [us, ap] })
    atRelease(ap, (value) => forged(value, wrong))
    const ends = await joinSites(world, [us, ap], definition)
    await expect(opened(await bundleAt('us', closed(ends[0]).bundle))).rejects.toMatchObject({
      code: 'E_PEER_SHARE_INVALID',
      message: 'ap gave what is not its share: 1 of 2 hold',
    })
  })
})

describe('a site that stops', () => {
  it('is not waited for where a quorum gave; it gives later, in the attempt that it was in', async () => {
    const definition = await planned()
    atRelease(ap, () => Promise.reject(new Error('power is gone')))
    const ends = await joinSites(world, names, definition)
    expect(ends[2]).toMatchObject({ status: 'rejected' })
    const bundle = await bundleAt('eu', closed(ends[0]).bundle)
    const report = await verified(bundle)
    expect(report.bundle.state).toBe('made')
    expect(report.checks.find(({ id }) => id === 'release.shares')).toMatchObject({
      verdict: 'open',
      reason: 'the whole key was given to counsel, by eu, us; not by ap',
    })
    const key = await opened(bundle)
    expect(key.pieces.map(({ verdict }) => verdict)).toEqual(['holds', 'holds', 'missing'])
    vi.restoreAllMocks()
    const again = await rejoin(names, definition)
    const late = await opened(await bundleAt('ap', closed(again[2]).bundle))
    expect(late.pieces.map(({ verdict }) => verdict)).toEqual(['holds', 'holds', 'holds'])
  })

  it('is waited for where no quorum gave: fewer shares open nothing', async () => {
    const definition = await planned({ givers: [eu, us] })
    atRelease(us, () => Promise.reject(new Error('power is gone')))
    const ends = await joinSites(world, [eu, us], definition)
    expect(ends[0]).toMatchObject({
      reason: { code: 'E_NOT_FINISHED', message: '1 of 2 shares are given; waiting: us' },
    })
    vi.restoreAllMocks()
    const again = await rejoin([eu, us], definition)
    expect(again.map((end) => closed(end).state)).toEqual(['closed', 'closed'])
    const key = await opened(await bundleAt('us', closed(again[1]).bundle))
    expect(publicKeyOf(key.secret.reveal())).toBe(definition.of.publicKey)
  })
})

describe('a site that gave its share', () => {
  it('cannot leave any more, and one that has not can', async () => {
    const definition = await planned()
    const controls = new Map<string, JoinControl>()
    let asked: Promise<unknown> | undefined
    atRelease(ap, async (value, { store }) => {
      await store.until(() => store.releases.get(eu), 20_000)
      asked = (controls.get(eu) ?? expect.fail()).abort('too late').catch((error: unknown) => error)
      await asked
      return value
    })
    const sites = await Promise.all(names.map((name) => memorySite(world, name)))
    const ends = await joinAs(sites, definition, controls)
    expect(await asked).toMatchObject({
      code: 'E_NOT_ALLOWED',
      message: expect.stringContaining('it has given its share'),
    })
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
  })
})

describe('a key that its site suspended', () => {
  const word = (site: Pick<Site, 'ledger'>, key: Hash, suspended: boolean) =>
    noteSuspension(site as never, { key, reason: suspended ? 'broken into' : 'all is well', suspended })

  it('is not given away there, until it is resumed', async () => {
    const definition = await planned()
    await word(await memorySite(world, 'ap'), definition.key, true)
    const ends = await joinSites(world, names, definition)
    expect(ends[2]).toMatchObject({
      reason: { code: 'E_NOT_ALLOWED', message: expect.stringContaining('broken into') },
    })
    const [first] = ends
    expect(first?.status).toBe('rejected')
    await word(await memorySite(world, 'ap'), definition.key, false)
    const again = await rejoin(names, definition)
    expect(again.map((end) => closed(end).state)).toEqual(['closed', 'closed', 'closed'])
  })

  it('is given no further by a site that suspends it while it seals', async () => {
    const definition = await planned()
    const sites = await Promise.all(names.map((name) => memorySite(world, name)))
    const slow: Site = {
      ...(sites[2] as Site),
      sealTo: async (...given) => {
        await word(sites[2] as Site, definition.key, true)
        return (sites[2] as Site).sealTo(...given)
      },
    }
    const ends = await joinAs([sites[0] as Site, sites[1] as Site, slow], definition)
    expect(ends[2]).toMatchObject({ reason: { code: 'E_NOT_ALLOWED' } })
    const log = await slow.ceremonyLog(ceremonyId(definition))
    expect([...log.replay()].some(({ what, site }) => what === 'release' && site === ap)).toBe(false)
    await word(await memorySite(world, 'ap'), definition.key, false)
  })
})

describe('a share that is none', () => {
  it('is not given by its own site where a file was damaged: it would be named as a liar', async () => {
    const definition = await planned()
    const sites = await Promise.all(names.map((name) => memorySite(world, name)))
    const stolen = sites[0] as Site
    const { key } = definition
    const mixed: Site = {
      ...(sites[2] as Site),
      shards: {
        ...(sites[2] as Site).shards,
        ofKey: (key) => (sites[2] as Site).shards.ofKey(key),
        read: (...given) => (sites[2] as Site).shards.read(...given),
        reopen: async () => {
          const newest = await newestAt(world, 'eu')
          const keys = await Promise.all(stolen.card.kms.map((slot) => stolen.kms(slot)))
          const record = newest.record ?? expect.fail()
          return stolen.shards.reopen(key, record.outcome, record.envelopes[0] as Hash, keys)
        },
      } as Site['shards'],
    }
    const ends = await joinAs([sites[0] as Site, sites[1] as Site, mixed], definition)
    expect(ends[2]).toMatchObject({ reason: { code: 'E_SHARD' } })
  })
})

describe('a definition that was planned on older shares', () => {
  it.runIf(LONG)('is refused by every site, once others replaced them', async () => {
    const definition = await planned()
    const newest = await newestAt(world, 'eu')
    const refresh = await refreshDefinition({
      sites: keygen.sites,
      key: newest.key,
      base: recordHashOf(newest),
      deadlines,
    })
    for (const end of await joinSites(world, names, refresh)) closed(end)
    const ends = await joinSites(world, names, definition)
    for (const end of ends) expect(end).toMatchObject({ reason: { code: 'E_DEFINITION' } })
    // Of the new ones the key is the same.
    const anew = await planned()
    const after = await joinSites(world, names, anew)
    const key = await opened(await bundleAt('eu', closed(after[0]).bundle))
    expect(publicKeyOf(key.secret.reveal())).toBe(definition.of.publicKey)
  })
})
