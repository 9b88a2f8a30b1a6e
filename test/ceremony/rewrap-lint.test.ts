import { beforeAll, describe, expect, it } from 'vitest'
import type { Finding } from '../../src/ceremony/definition/finding.ts'
import { lint } from '../../src/ceremony/definition/lint.ts'
import { type KeyBase, lintAgainst, lintGiven } from '../../src/ceremony/definition/lint-key.ts'
import { planRefresh, planReshare } from '../../src/ceremony/definition/plan.ts'
import { planRewrap } from '../../src/ceremony/definition/plan-rewrap.ts'
import { decisionLines } from '../../src/cli/render/definition.ts'
import { makeCard } from '../../src/identity/card.ts'
import type { Hash, SiteId, Time } from '../../src/lib/brand.ts'
import { definitionYaml, readDefinition } from '../../src/records/definition-yaml.ts'
import type { RewrapDefinition } from '../../src/records/kinds/rewrap.ts'
import { NOTHING_SEEN } from '../../src/site/seen.ts'
import { keygenDefinition, pinnedRelays, refreshDefinition, rewrapDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { seededRandom } from '../support/random.ts'

let sound: RewrapDefinition
let base: KeyBase
beforeAll(async () => {
  sound = await rewrapDefinition({ relays: pinnedRelays })
  const definition = await keygenDefinition({ relays: pinnedRelays })
  base = { definition, key: sound.key, record: sound.base, epoch: 1, ...sound.of }
})

const said = (findings: readonly Finding[]): string[] =>
  findings.flatMap(({ level, rule, place }) => (rule === 'long-window' ? [] : [`${level} ${rule} ${place}`]))
const names = (...list: string[]): SiteId[] => list as SiteId[]
const moved = (key = '/keys/eu-2.key') =>
  ({ ...(base.definition.sites[0] as never as object), kms: [{ provider: 'local', key }] }) as never
const window = { opens: '2026-01-01T00:00:00Z' as Time, closes: '2026-02-01T00:00:00Z' as Time }

describe('the definition of a rewrap', () => {
  it('is silent where nothing is wrong with it, and reads as it was written', async () => {
    expect(said(lint(sound))).toEqual([])
    expect(await readDefinition(definitionYaml(sound))).toEqual(sound)
  })

  it.each<[string, () => Partial<RewrapDefinition>, string]>([
    ['a site that is none', () => ({ site: 'xx' as SiteId }), 'error rewrapped-site site'],
    ['a witness that is no site', () => ({ witnesses: names('us', 'xx') }), 'error witness witnesses[1]'],
    ['the site itself as a witness', () => ({ witnesses: names('eu', 'us') }), 'error witness witnesses[0]'],
    ['witnesses in another order', () => ({ witnesses: names('ap', 'us') }), 'error witness-order witnesses[1]'],
    ['a witness twice', () => ({ witnesses: names('us', 'us') }), 'error witness-order witnesses[1]'],
    ['too few witnesses', () => ({ threshold: 3, witnesses: names('us') }), 'error witnesses witnesses'],
    [
      'too few shares',
      () => ({ of: { ...sound.of, verifyingShares: sound.of.verifyingShares.slice(1) } }),
      'error key-shares of.verifyingShares',
    ],
  ])('names %s', (_, changes, finding) => {
    expect(said(lint({ ...sound, ...changes() }))).toContain(finding)
  })

  it('is held against the key: record, roster, quorum and shares, and no KMS key', () => {
    expect(said(lintGiven({ ...sound, sites: [moved(), ...sound.sites.slice(1)] }, base))).toEqual([])
    for (const [changes, rule] of [
      [{ base: 'ab'.repeat(32) as Hash }, 'error base base'],
      [{ key: 'cd'.repeat(32) as Hash }, 'error key key'],
      [{ threshold: 3 }, 'error key-threshold threshold'],
      [{ sites: [...sound.sites].reverse() }, 'error roster sites[0]'],
      [{ of: { ...sound.of, publicKey: 'aa'.repeat(32) } }, 'error key-shares of'],
    ] as const)
      expect(said(lintGiven({ ...sound, ...changes } as RewrapDefinition, base))).toContain(rule)
  })

  it('is planned for the card of the site, with all others as witnesses or those that are named', async () => {
    const wanted = { key: base, window, old: sound.old, card: moved() }
    const all = planRewrap({ ...wanted, witnesses: [] }, seededRandom('plan'))
    expect(all.definition).toMatchObject({ name: 'treasury', site: 'eu', witnesses: ['us', 'ap'], old: sound.old })
    expect(all.definition.sites[0]?.kms).toEqual([{ provider: 'local', key: '/keys/eu-2.key' }])
    expect(said(all.findings)).toEqual([])
    const few = planRewrap({ ...wanted, witnesses: names('ap') }, seededRandom('plan'))
    expect(few.definition.witnesses).toEqual(['ap'])
    expect(() => planRewrap({ ...wanted, witnesses: names('xx') }, seededRandom('plan'))).toThrow('no site xx')
  })

  it('shows from where to where, who cosigns and who moves', () => {
    const lines = decisionLines(sound, NOTHING_SEEN).map((line) =>
      typeof line === 'string' ? line : `${line.label} ${line.text}`,
    )
    expect(lines.join('\n')).toContain('from local:/keys/eu-old.key')
    expect(lines.join('\n')).toContain('to local:/keys/eu.key')
    expect(lines.join('\n')).toContain('witnesses us, ap')
    expect(lines.at(-1)).toContain('rewrap eu in the key treasury')
  })
})

describe('a definition after a rewrap', () => {
  const known = () => ({ ...base, rewrapped: new Map([[base.definition.sites[0]?.identity, moved()]]) }) as KeyBase

  it('has the newest entry of the site that moved, where its planner knows it', () => {
    const wanted = { key: known(), window, supersedes: [] }
    const refresh = planRefresh(wanted, seededRandom('plan')).definition
    expect(refresh.sites[0]?.kms[0]?.key).toBe('/keys/eu-2.key')
    const reshare = planReshare(
      { ...wanted, threshold: 2, to: [], without: names('ap') },
      seededRandom('plan'),
    ).definition
    expect(reshare.sites.map(({ kms }) => kms[0]?.key)).toContain('/keys/eu-2.key')
  })

  it('takes the card that its planner was given before what it knows', async () => {
    const { home } = await memoryHome('eu')
    const card = await makeCard(await home.unlock(), await home.card())
    const wanted = { key: known(), window, supersedes: [], cards: [card] }
    const { definition } = planRefresh(wanted, seededRandom('plan'))
    expect(definition.sites[0]?.kms[0]?.key).toBe('/keys/eu.key')
  })

  it('is one of the key at every other site, whichever of both entries it has', async () => {
    const { key, record } = base
    for (const sites of [base.definition.sites, [moved(), ...base.definition.sites.slice(1)]])
      for (const knows of [base, known()])
        expect(said(lintAgainst(await refreshDefinition({ sites, key, base: record }), knows))).toEqual([])
  })
})
