import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { searchedWhole, sharedControl } from '../../src/ceremony/definition/control-domains.ts'
import { type Finding, refuseErrors } from '../../src/ceremony/definition/finding.ts'
import { lint } from '../../src/ceremony/definition/lint.ts'
import { lintFence, lintHolders } from '../../src/ceremony/definition/lint-fence.ts'
import { type KeyBase, lintAgainst, lintLostSite } from '../../src/ceremony/definition/lint-key.ts'
import { publicKeyOf } from '../../src/identity/ed25519.ts'
import { identityOf, parseIdentity } from '../../src/identity/identity.ts'
import { holderOf } from '../../src/kms/providers.ts'
import type { Hash, Identity, KeyHex, SiteId, Time } from '../../src/lib/brand.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { SiteEntry } from '../../src/records/definition-fields.ts'
import type { EmergencyDefinition } from '../../src/records/kinds/emergency.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { RepairDefinition } from '../../src/records/kinds/repair.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import type { SignDefinition } from '../../src/records/kinds/sign.ts'
import {
  emergencyDefinition,
  keygenDefinition,
  pinnedRelays,
  repairDefinition,
  reshareDefinition,
  signDefinition,
  siteEntries,
} from '../support/definition.ts'
import { many as howMany, SEED } from '../support/report.ts'

const three = ['/a', '/b', '/c'].map((key) => ({ provider: 'local', key }))
let keygen: KeygenDefinition
let sign: SignDefinition
let many: SiteEntry[]
beforeAll(async () => {
  keygen = await keygenDefinition({ relays: pinnedRelays })
  sign = await signDefinition({ relays: pinnedRelays })
  many = await siteEntries(['eu', 'us', 'ap', 'sa', 'af'])
})

const said = (findings: readonly Finding[]): string[] =>
  findings.map(({ level, rule, place }) => `${level} ${rule} ${place}`)
const at = (n: number, change: (site: SiteEntry) => Partial<SiteEntry>): Definition => ({
  ...keygen,
  sites: keygen.sites.map((site, k) => (k === n ? { ...site, ...change(site) } : site)),
})
const role = (identity: Identity, to: 'site' | 'approver' | 'relay'): Identity =>
  identityOf(to, parseIdentity(identity)?.key as KeyHex)

describe('lint', () => {
  it('has nothing to say of a sound definition', () => {
    expect(lint(keygen, Date.parse('2026-11-24T00:00:00Z')).filter((one) => one.rule !== 'long-window')).toEqual([])
    expect(said(lint(keygen))).toEqual(['warning long-window window'])
    expect(said(lint(sign))).toEqual(['warning long-window window'])
    refuseErrors(lint(keygen))
    for (const name of ['facade', 'cafe-babel', 'key-7f3a91c2', '7f3a91c'])
      expect(said(lint({ ...keygen, name }))).toEqual(['warning long-window window'])
    // Sites of a key that stands keep their names.
    const [first, ...others] = sign.sites as [SiteEntry, ...SiteEntry[]]
    const sites = [{ ...first, name: 'facade01' as SiteId }, ...others]
    expect(said(lint({ ...sign, sites, signers: 'any' }))).toEqual(['warning long-window window'])
  })

  it.each<[string, () => Definition, string]>([
    ['a threshold over n', () => ({ ...keygen, threshold: 4 }), 'error threshold threshold'],
    ['t = n', () => ({ ...keygen, threshold: 3 }), 'warning no-spare threshold'],
    ['n < 2t-1', () => ({ ...keygen, threshold: 4, sites: many }), 'warning majority threshold'],
    ['a name twice', () => at(2, () => ({ name: 'eu' as SiteId })), 'error duplicate-name sites[2].name'],
    [
      'a name that an approver goes by',
      () => ({
        ...at(2, () => ({ name: 'approver-1' as SiteId })),
        approvers: [identityOf('approver', publicKeyOf(new Secret(new Uint8Array(32).fill(7))))],
      }),
      'error reserved-name sites[2].name',
    ],
    ['a name that is an id', () => ({ ...keygen, name: '7f3a91c2'.repeat(8) }), 'error name-as-id name'],
    ['a name that begins an id', () => ({ ...keygen, name: '7f3a91c2' }), 'error name-as-id name'],
    ['a name that is a short id', () => ({ ...sign, name: '7f3a-91c2' }), 'error name-as-id name'],
    ['a site named so', () => at(1, () => ({ name: 'facade01' as SiteId })), 'error name-as-id sites[1].name'],
    [
      'an identity twice',
      () => at(1, () => ({ identity: keygen.sites[0]?.identity as Identity })),
      'error duplicate-identity sites[1].identity',
    ],
    [
      'one key in two roles',
      () => ({ ...keygen, approvers: [role(keygen.sites[0]?.identity as Identity, 'approver')] }),
      'error duplicate-identity approvers[0]',
    ],
    [
      'a mistyped identity',
      () =>
        at(0, (site) => ({
          identity: `${site.identity.slice(0, -1)}${site.identity.endsWith('q') ? 'p' : 'q'}` as Identity,
        })),
      'error identity sites[0].identity',
    ],
    [
      'an approver as a site',
      () => at(0, (site) => ({ identity: role(site.identity, 'approver') })),
      'error identity-role sites[0].identity',
    ],
    [
      'a site as an approver',
      () => ({ ...keygen, sites: keygen.sites.slice(0, 2), approvers: [keygen.sites[2]?.identity as Identity] }),
      'error identity-role approvers[0]',
    ],
    [
      'a site as a relay',
      () => ({ ...keygen, relays: [{ url: 'wss://r', identity: many[4]?.identity as Identity }] }),
      'error identity-role relays[0].identity',
    ],
    [
      'two KMS keys',
      () => at(0, (site) => ({ kms: [...site.kms, { provider: 'local', key: '/b' }] })),
      'error one-key sites[0].kms',
    ],
    ['three KMS keys where one is meant', () => at(0, () => ({ kms: three })), 'error one-key sites[0].kms'],
    [
      'two KMS keys where one or three are meant',
      () => ({ ...at(0, () => ({ kms: three.slice(1) })), sealing: 'two-of-three' }),
      'error two-of-three sites[0].kms',
    ],
    [
      'two-of-three where nobody names three keys',
      () => ({ ...keygen, sealing: 'two-of-three' }),
      'error sealing sealing',
    ],
    [
      'a local path twice among three',
      () => ({ ...at(0, () => ({ kms: [...three.slice(1), ...three.slice(2)] })), sealing: 'two-of-three' }),
      'error duplicate-kms sites[0].kms[2]',
    ],
    [
      'one local file by two paths among three',
      () => ({
        ...at(0, () => ({ kms: [...three.slice(1), { provider: 'local', key: '//x/../b' }] })),
        sealing: 'two-of-three',
      }),
      'error duplicate-kms sites[0].kms[2]',
    ],
    [
      'a KMS key twice',
      () => ({
        ...keygen,
        sites: keygen.sites.map((site) => ({ ...site, kms: [{ provider: 'aws-kms', key: 'arn:1' }] })),
      }),
      'error duplicate-kms sites[1].kms[0]',
    ],
    [
      'a KMS key by two of its names',
      () => ({
        ...keygen,
        sites: keygen.sites.map((site, n) => ({
          ...site,
          kms: [
            { provider: 'aws-kms', key: `arn:aws:kms:${['eu-west-1', 'us-east-1'][n] ?? 'x'}:111122223333:key/mrk-1` },
          ],
        })),
      }),
      'error duplicate-kms sites[1].kms[0]',
    ],
    [
      'a local path twice',
      () => at(1, () => ({ kms: keygen.sites[0]?.kms ?? [] })),
      'warning same-path sites[1].kms[0]',
    ],
    [
      'a shared administrator',
      () => at(1, (site) => ({ control: { ...site.control, administrator: ' EU  Admin' } })),
      'error independence sites[1].control.administrator',
    ],
    [
      'a shared account',
      () => at(2, (site) => ({ control: { ...site.control, account: 'us account' } })),
      'error independence sites[2].control.account',
    ],
    [
      'a shared organisation',
      () => at(2, (site) => ({ control: { ...site.control, organisation: 'us org' } })),
      'error independence sites[2].control.organisation',
    ],
    ['one jurisdiction', () => at(1, () => ({ jurisdiction: 'EU' })), 'warning one-jurisdiction sites[1].jurisdiction'],
    [
      'a plain relay',
      () => ({ ...keygen, relays: [{ url: 'ws://relay.example', identity: null }] }),
      'error plain-relay relays[0].url',
    ],
    [
      'a plain relay that looks like loopback',
      () => ({ ...keygen, relays: [{ url: 'ws://127.0.0.1.example', identity: null }] }),
      'error plain-relay relays[0].url',
    ],
    [
      'a plain relay named localhost within',
      () => ({ ...keygen, relays: [{ url: 'ws://localhost.example', identity: null }] }),
      'error plain-relay relays[0].url',
    ],
    [
      'a relay that is no URL',
      () => ({ ...keygen, relays: [{ url: 'wss://a:b:c', identity: null }] }),
      'error relay-url relays[0].url',
    ],
    [
      'a relay without an identity',
      () => ({ ...keygen, relays: [{ url: 'wss://relay.example', identity: null }] }),
      'warning unpinned-relay relays[0]',
    ],
    [
      'a relay twice',
      () => ({
        ...keygen,
        relays: [
          { url: 'wss://relay.example', identity: null },
          { url: 'wss://RELAY.example:443/', identity: null },
        ],
      }),
      'error duplicate-relay relays[1].url',
    ],
    [
      'a window that closes first',
      () => ({ ...keygen, window: { opens: keygen.window.closes, closes: keygen.window.opens } }),
      'error window window.closes',
    ],
    [
      'a window of no length',
      () => ({ ...keygen, window: { opens: keygen.window.opens, closes: keygen.window.opens } }),
      'error window window.closes',
    ],
    ['few attempts', () => ({ ...keygen, attempts: 2 }), 'warning attempts attempts'],
    [
      'a long proposal',
      () => ({ ...keygen, deadlines: { ...keygen.deadlines, proposal: 901 } }),
      'error deadlines deadlines.proposal',
    ],
    ['an unknown signer', () => ({ ...sign, signers: ['eu', 'xx'] as SiteId[] }), 'error signer signers[1]'],
    ['signers out of order', () => ({ ...sign, signers: ['us', 'eu'] as SiteId[] }), 'error signer-order signers[1]'],
    ['a signer twice', () => ({ ...sign, signers: ['us', 'us'] as SiteId[] }), 'error signer-order signers[1]'],
    ['too few signers', () => ({ ...sign, threshold: 3, signers: ['eu', 'us'] as SiteId[] }), 'error signers signers'],
    [
      'a blind digest',
      () => ({ ...sign, message: { form: 'digest', digest: 'ab'.repeat(32), blind: 'why' } }),
      'warning blind message',
    ],
  ])('finds %s', (_, definition, expected) => {
    expect(said(lint(definition()))).toContain(expected)
    const isError = expected.startsWith('error')
    const run = () => refuseErrors(lint(definition()))
    if (isError) expect(run).toThrow(expect.objectContaining({ code: 'E_DEFINITION' }))
    else expect(run).not.toThrow()
  })

  it.each(['ws://localhost:1234', 'ws://127.0.0.1:9', 'ws://127.9.9.9', 'ws://[::1]:80', 'wss://relay.example'])(
    'lets %s be a relay',
    (url) => {
      expect(lint({ ...keygen, relays: [{ url, identity: null }] }).filter((one) => one.level === 'error')).toEqual([])
    },
  )

  it('sees that the window has closed', () => {
    expect(said(lint(keygen, Date.parse(keygen.window.closes)))).toContain('warning closed window.closes')
    expect(said(lint({ ...keygen, window: { ...keygen.window, closes: '2026-02-01T00:00:00Z' as Time } }))).toEqual([])
  })

  it('counts further errors and puts them first', () => {
    const bad = { ...at(2, () => ({ name: 'eu' as SiteId })), threshold: 4 }
    expect(lint(bad).map((one) => one.level)).toEqual(['error', 'error', 'warning'])
    expect(() => refuseErrors(lint(bad))).toThrow(/^threshold: 4 of 3 sites can never sign \(and 1 more\)$/)
  })
})

describe('independence', () => {
  const of = (kind: string, name: string): string => `${kind} ${name}`
  /** The definition in words: the most shards that any `size` domains, stated or of a key's name, open together. */
  const most = (sites: readonly SiteEntry[], size: number): number => {
    const accounts = (site: SiteEntry) => site.kms.flatMap((slot) => holderOf(slot) ?? [])
    const domains = [
      ...new Set(
        sites.flatMap((site) => [...Object.entries(site.control).map((one) => of(...one)), ...accounts(site)]),
      ),
    ]
    const opened = (set: readonly string[]) =>
      sites.filter(
        (site) =>
          Object.entries(site.control).some((one) => set.includes(of(...one))) ||
          accounts(site).filter((one) => set.includes(one)).length >= (site.kms.length === 3 ? 2 : 1),
      ).length
    const sets = (from: number, left: number): string[][] =>
      left === 0
        ? [[]]
        : domains.slice(from).flatMap((name, k) => sets(from + k + 1, left - 1).map((rest) => [name, ...rest]))
    return Math.max(...sets(0, Math.min(size, domains.length)).map(opened))
  }
  const holds = (sites: readonly SiteEntry[], t: number): void => {
    const shared = sharedControl(sites, t)
    expect(shared.some(({ size }) => size < t)).toBe(most(sites, t - 1) >= t)
    expect(shared.length > 0).toBe(most(sites, t) > t || most(sites, t - 1) >= t)
  }
  const aws = (account: number, key = account) => ({
    provider: 'aws-kms',
    key: `arn:aws:kms:eu-west-1:${String(account).padStart(12, '0')}:key/${key}`,
  })

  it('is what counting every set of fewer than t domains gives', () => {
    const shapes = [
      ['a', 'b', 'c', 'd'],
      ['a', 'a', 'c', 'd'],
      ['a', 'b', 'c', 'c'],
      ['a', 'a', 'a', 'a'],
    ]
    for (const organisations of shapes)
      for (const accounts of shapes)
        for (const t of [2, 3, 4]) {
          const sites = many.slice(0, 4).map((site, n) => ({
            ...site,
            control: {
              organisation: organisations[n] as string,
              account: accounts[n] as string,
              administrator: `p${n}`,
            },
          }))
          holds(sites, t)
        }
  })

  it('is so also over the accounts that the names of keys state, one key or two of three', () => {
    const account = fc.integer({ min: 1, max: 5 })
    const keys = fc.oneof(
      account.map((one) => [one]),
      fc.tuple(account, account, account),
    )
    fc.assert(
      fc.property(fc.array(keys, { minLength: 4, maxLength: 4 }), fc.integer({ min: 2, max: 4 }), (kms, t) => {
        const sites = many.slice(0, 4).map((site, n) => ({
          ...site,
          control: { organisation: `o${n}`, account: `o${n}`, administrator: `o${n}` },
          kms: (kms[n] ?? []).map((one, at) => aws(one, 10 * n + at)),
        }))
        holds(sites, t)
      }),
      { seed: SEED, numRuns: howMany(50, 300, 3000) },
    )
  })

  it('names a planted administrator: one account over two sites, and two accounts over the pieces of both', () => {
    const at = (...kms: readonly (readonly ReturnType<typeof aws>[])[]) => ({
      ...keygen,
      sealing: 'two-of-three' as const,
      sites: keygen.sites.map((site, n) => ({ ...site, kms: [...(kms[n] ?? site.kms)] })),
    })
    const told = (definition: Definition) =>
      lint(definition).flatMap(({ level, rule, place, message }) =>
        rule === 'key-account' ? [`${level} ${place} ${message}`] : [],
      )
    expect(told(at([aws(1)], [aws(1, 2)]))).toEqual([
      'error sites[1].kms whoever administers AWS account 000000000001 opens eu and us: 1 or fewer in control could open 2 shards',
    ])
    const pieces = at(
      [aws(1, 1), aws(2, 2), aws(3, 3)],
      [aws(1, 4), aws(2, 5), aws(4, 6)],
      [aws(1, 7), aws(2, 8), aws(5, 9)],
    )
    const both = 'whoever administers AWS account 000000000001 and AWS account 000000000002 opens eu, us and ap'
    expect(told({ ...pieces, threshold: 3 })).toEqual([
      `error sites[1].kms ${both}: 2 or fewer in control could open 3 shards`,
    ])
    expect(told(pieces)).toEqual([`warning sites[1].kms ${both}: 3 shards for 2 in control`])
    expect(told(at([aws(1, 1), aws(2, 2), aws(3, 3)], [aws(1, 4), aws(4, 5), aws(5, 6)]))).toEqual([])
    // A key that stands signs on: whoever signs with it is told.
    const sites = keygen.sites.map((site, n) => ({ ...site, kms: [aws(1, n)] }))
    expect(told({ ...sign, sites })).toEqual([
      'warning sites[1].kms whoever administers AWS account 000000000001 opens eu, us and ap: 3 shards for 1 in control',
    ])
    const here = (key: string) => ({ provider: 'transit', key })
    const bao = ['http://127.0.0.1:8200/transit/a', 'http://localhost:8200/transit/b', 'http://[::1]:8200/transit/c']
    expect(told(at(...bao.map((key) => [here(key)])))).toEqual([])
    const pins = ['eu', 'us'].map((one) => ({
      provider: 'pkcs11',
      key: `token=quorate;object=${one}?module-path=/p.so`,
    }))
    expect(told(at(...pins.map((one) => [one])))).toEqual([])
  })

  it('says so where accounts are shared by too many to try every set of them', () => {
    const sites = Array.from({ length: 12 }, (_, n) => ({
      ...(many[n % many.length] as SiteEntry),
      control: { organisation: `o${n}`, account: `o${n}`, administrator: `o${n}` },
      kms: [0, 1, 2].map((at) => aws((3 * n + at) % 26, 3 * n + at)),
    }))
    expect(searchedWhole(sites, 2)).toBe(true)
    const wide = [
      ...sites,
      ...sites.map((site, n) => ({
        ...site,
        kms: [0, 1, 2].map((at) => aws(30 + ((3 * n + at) % 20), 100 + 3 * n + at)),
      })),
    ]
    expect(searchedWhole(wide, 12)).toBe(false)
    expect(lint({ ...keygen, sealing: 'two-of-three', sites: wide, threshold: 12 }).map(({ rule }) => rule)).toContain(
      'key-account',
    )
  })
})

describe('lint against the key', () => {
  const base = (): KeyBase => ({
    definition: keygen,
    key: sign.key,
    record: sign.base,
    epoch: 1,
    publicKey: 'aa'.repeat(32),
    verifyingShares: ['ab', 'ac', 'ad'].map((byte) => byte.repeat(32)),
  })

  it('has nothing to say where roster, threshold, protocol, key and record are its own', () => {
    expect(lintAgainst(sign, base())).toEqual([])
  })

  it.each<[string, () => Partial<SignDefinition>, string]>([
    ['key', () => ({ key: '11'.repeat(32) as Hash }), 'error key key'],
    ['record', () => ({ base: '11'.repeat(32) as Hash }), 'error base base'],
    ['protocol', () => ({ protocol: 'frost-p256' }), 'error key-protocol protocol'],
    ['threshold', () => ({ threshold: 3 }), 'error key-threshold threshold'],
    ['roster', () => ({ sites: keygen.sites.slice(0, 2) }), 'error roster sites'],
    ['order', () => ({ sites: [...keygen.sites].reverse() }), 'error roster sites[0]'],
    ['site', () => ({ sites: [...keygen.sites.slice(0, 2), many[3] as SiteEntry] }), 'error roster sites[2]'],
  ])('finds another %s', (_, change, expected) => {
    expect(said(lintAgainst({ ...sign, ...change() }, base()))).toContain(expected)
  })
})

describe('lint of a reshare', () => {
  const names = (...list: string[]) => list as SiteId[]

  it('has nothing to say where all old sites deal', async () => {
    expect(said(lint(await reshareDefinition({ relays: pinnedRelays })))).toEqual(['warning long-window window'])
  })

  it.each<[string, Partial<ReshareDefinition['from']>, Partial<ReshareDefinition>, string]>([
    ['more receivers than sites', {}, { receivers: 4 }, 'error receivers receivers'],
    ['a site without a part', { sites: names('eu', 'us') }, { receivers: 2 }, 'error idle-site sites[2]'],
    ['an old site that is not named', { sites: names('eu', 'us', 'sa') }, {}, 'error old-site from.sites[2]'],
    ['an old site twice', { sites: names('eu', 'us', 'eu') }, {}, 'error old-site from.sites'],
    ['an old quorum that never was', { threshold: 4 }, {}, 'error old-threshold from.threshold'],
    ['too few verifying shares', { verifyingShares: ['01'.repeat(32)] }, {}, 'error key-shares from.verifyingShares'],
    ['dealers in another order', { dealers: names('us', 'eu') }, {}, 'error dealer from.dealers'],
    ['a dealer that holds no share', { dealers: names('eu', 'sa') }, {}, 'error dealer from.dealers'],
    ['a dealer twice', { dealers: names('eu', 'eu') }, {}, 'error dealer from.dealers'],
    ['too few dealers', { threshold: 3, dealers: names('eu', 'us') }, {}, 'error dealers from.dealers'],
    ['dealers that a liar could outvote', { dealers: names('eu', 'us') }, {}, 'warning few-dealers from.dealers'],
  ])('finds %s', async (_, from, changes, expected) => {
    const sound = await reshareDefinition()
    expect(said(lint({ ...sound, from: { ...sound.from, ...from }, ...changes }))).toContain(expected)
  })
})

describe('lint of an emergency', () => {
  it('has nothing to say of one that all holders take part in, or so many that the rest are no quorum', async () => {
    const sound = await emergencyDefinition({ relays: pinnedRelays })
    expect(said(lint(sound))).toEqual(['warning long-window window'])
    expect(said(lint({ ...sound, sites: [...sound.sites.slice(0, 2), ...many.slice(3, 4)] }))).toEqual([
      'warning long-window window',
    ])
  })

  it.each<[string, (fences: EmergencyDefinition['fences']) => object, string]>([
    ['an old threshold that nobody reaches', () => ({ threshold: 4 }), 'error fenced-threshold fences.threshold'],
    [
      'a holder twice',
      ({ holders }) => ({ holders: [holders[0], holders[0], holders[2]] }),
      'error fenced-holder fences.holders',
    ],
    ['a sweep that ends before it begins', () => ({ sweep: '2025-01-01T00:00:00Z' }), 'error sweep fences.sweep'],
  ])('finds %s', async (_, change, rule) => {
    const sound = await emergencyDefinition({ relays: pinnedRelays })
    const fences = { ...sound.fences, ...change(sound.fences) } as EmergencyDefinition['fences']
    expect(said(lint({ ...sound, fences }))).toContain(rule)
  })

  it('warns where the holders that take no part could still sign', async () => {
    const sound = await emergencyDefinition({ relays: pinnedRelays })
    expect(said(lint({ ...sound, sites: [sound.sites[0] as SiteEntry, ...many.slice(3)] }))).toContain(
      'warning few-fenced sites',
    )
  })

  it('finds where it says otherwise of the old key than a home that holds it', async () => {
    const sound = await emergencyDefinition()
    const { key, base: record } = sound.fences
    const base: KeyBase = { definition: keygen, key, record, epoch: 1, publicKey: 'ef'.repeat(32), verifyingShares: [] }
    expect(lintFence(sound, base)).toEqual([])
    const [first, second, third] = sound.fences.holders as [never, never, never]
    const cases: readonly (readonly [Partial<EmergencyDefinition['fences']>, string])[] = [
      [{ key: 'cc'.repeat(32) as Hash }, 'error key fences.key'],
      [{ base: 'cc'.repeat(32) as Hash }, 'error base fences.base'],
      [{ threshold: 3 }, 'error key-threshold fences.threshold'],
      [{ holders: [first, second] }, 'error roster fences.holders'],
      [{ holders: [second, first, third] }, 'error roster fences.holders'],
    ]
    for (const [change, rule] of cases) {
      const changed = { ...sound, fences: { ...sound.fences, ...change } }
      expect(said(lintFence(changed, base))).toEqual([rule])
      expect(said(lintHolders(changed, base))).toEqual('base' in change ? [] : [rule])
    }
  })
})

describe('lint of a repair', () => {
  const names = (...list: string[]) => list as SiteId[]

  it('has nothing to say where one site is in the place of another', async () => {
    expect(said(lint(await repairDefinition({ relays: pinnedRelays })))).toEqual(['warning long-window window'])
  })

  it.each<[string, Partial<RepairDefinition['from']>, Partial<RepairDefinition>, string]>([
    ['fewer old sites than sites', { sites: names('eu', 'us') }, {}, 'error old-site from.sites'],
    ['an old site twice', { sites: names('eu', 'us', 'eu') }, {}, 'error old-site from.sites'],
    ['nobody who is mended', { sites: names('eu', 'us', 'sa') }, {}, 'error mended-site sites'],
    ['two who are mended', { sites: names('eu', 'af', 'ap') }, {}, 'error mended-site sites'],
    ['sites that changed their places', { sites: names('us', 'eu', 'ap') }, {}, 'error mended-site sites[0]'],
    ['too few verifying shares', { verifyingShares: ['01'.repeat(32)] }, {}, 'error key-shares from.verifyingShares'],
    ['helpers in another order', { helpers: names('us', 'eu') }, {}, 'error helper from.helpers'],
    ['a helper twice', { helpers: names('eu', 'eu') }, {}, 'error helper from.helpers'],
    ['the lost site as a helper', { helpers: names('eu', 'ap') }, {}, 'error helper from.helpers'],
    ['the mended site as a helper', { helpers: names('eu', 'sa') }, {}, 'error helper from.helpers'],
    ['too few helpers', {}, { threshold: 3 }, 'error helpers from.helpers'],
    ['too many helpers', { helpers: names('eu', 'us', 'ap') }, {}, 'error helpers from.helpers'],
  ])('finds %s', async (_, from, changes, expected) => {
    const sound = await repairDefinition()
    expect(said(lint({ ...sound, from: { ...sound.from, ...from }, ...changes }))).toContain(expected)
  })

  describe('against the key', () => {
    let sound: RepairDefinition
    let base: KeyBase
    beforeAll(async () => {
      sound = await repairDefinition()
      const { key, base: record, from } = sound
      base = { ...from, definition: keygen, key, record, epoch: 1 }
    })

    it('has nothing to say where all but the lost site are its own', () => {
      expect(lintLostSite(sound, base)).toEqual([])
    })

    it.each<[string, () => Partial<RepairDefinition>, string]>([
      ['another key', () => ({ key: '11'.repeat(32) as Hash }), 'error key key'],
      ['another record', () => ({ base: '11'.repeat(32) as Hash }), 'error base base'],
      ['another number', () => ({ epoch: 3 }), 'error epoch epoch'],
      ['another threshold', () => ({ threshold: 3 }), 'error key-threshold threshold'],
      [
        'another site that holds a share',
        () => ({ sites: sound.sites.with(1, { ...(many[4] as SiteEntry), name: 'us' as SiteId }) }),
        'error roster sites[1]',
      ],
      [
        'another lost site than the key has',
        () => ({ from: { ...sound.from, sites: names('eu', 'us', 'af') } }),
        'error old-site from.sites[2]',
      ],
      [
        'the identity of a site that holds a share',
        () => ({ sites: sound.sites.with(2, { ...(many[2] as SiteEntry), name: 'sa' as SiteId }) }),
        'error mended-site sites',
      ],
      ['another public key', () => ({ from: { ...sound.from, publicKey: '22'.repeat(32) } }), 'error key-shares from'],
      [
        'another verifying share',
        () => ({ from: { ...sound.from, verifyingShares: sound.from.verifyingShares.with(2, '04'.repeat(32)) } }),
        'error key-shares from',
      ],
    ])('finds %s', (_, change, expected) => {
      expect(said(lintLostSite({ ...sound, ...change() }, base))).toContain(expected)
    })
  })
})
