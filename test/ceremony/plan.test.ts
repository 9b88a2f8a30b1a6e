import { beforeAll, describe, expect, it } from 'vitest'
import type { KeyBase } from '../../src/ceremony/definition/lint-key.ts'
import { planKeygen, planSign } from '../../src/ceremony/definition/plan.ts'
import { makeCard } from '../../src/identity/card.ts'
import type { Hash, Identity, SiteId, Time } from '../../src/lib/brand.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { definitionYaml, readDefinition } from '../../src/records/definition-yaml.ts'
import { keygenDefinition, pinnedRelays } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { seededRandom } from '../support/random.ts'

const window = { opens: '2026-12-01T09:00:00Z' as Time, closes: '2026-12-01T17:00:00Z' as Time }
const cardOf = async (name: string, change = {}): Promise<Uint8Array> => {
  const { home } = await memoryHome(name)
  return makeCard(await home.unlock(), { ...(await home.card()), ...change })
}
let cards: Uint8Array[]
beforeAll(async () => {
  cards = await Promise.all(['eu', 'us', 'ap'].map((name) => cardOf(name)))
})
const keygenWanted = () => ({
  name: 'treasury',
  protocol: 'frost-ed25519' as const,
  threshold: 2,
  cards,
  relays: pinnedRelays,
  window,
})

describe('plan of a keygen', () => {
  it('gives more sites more time, and a proposal no more than the gathering that it is part of', async () => {
    const many = await Promise.all(Array.from({ length: 20 }, (_, n) => cardOf(`s${n + 1}`)))
    const planned = (deadlines: { gather?: number; round?: number }) =>
      planKeygen({ ...keygenWanted(), cards: many, threshold: 11, deadlines }, seededRandom('many')).definition
        .deadlines
    expect(planned({})).toEqual({ gather: 900, proposal: 20, round: 40, close: 80 })
    expect(planned({ gather: 3, round: 7 })).toEqual({ gather: 3, proposal: 3, round: 7, close: 80 })
  })

  it('merges cards in the order given, with defaults, and is never twice the same', async () => {
    const { definition, findings } = planKeygen(keygenWanted(), seededRandom('plan'))
    expect(findings).toEqual([])
    expect(definition.sites).toEqual((await keygenDefinition()).sites)
    expect(definition).toMatchObject({
      kind: 'keygen',
      attempts: 5,
      deadlines: { gather: 900, proposal: 5, round: 20, close: 60 },
      approvers: [],
      base: null,
      window,
    })
    expect(await readDefinition(definitionYaml(definition))).toEqual(definition)
    const again = planKeygen(keygenWanted(), seededRandom('again')).definition
    expect(ceremonyId(again)).not.toBe(ceremonyId(definition))
  })

  it('takes what the planner says over the defaults', () => {
    const approvers = ['b', 'a'].map(
      (end) => `qapprover1${end === 'a' ? 'c' : end.replace('b', 'd')}${'q'.repeat(58)}` as Identity,
    )
    const { definition, findings } = planKeygen(
      { ...keygenWanted(), approvers, attempts: 9, deadlines: { round: 60 } },
      seededRandom('plan'),
    )
    expect(definition).toMatchObject({ attempts: 9, deadlines: { gather: 900, round: 60 } })
    expect(definition.approvers).toEqual([...approvers].sort())
    expect(findings.map((one) => one.rule)).toEqual(['identity', 'identity'])
  })

  it('reports what lint finds and leaves the decision to the planner', () => {
    expect(planKeygen({ ...keygenWanted(), threshold: 3 }, seededRandom('p')).findings.map((one) => one.rule)).toEqual([
      'no-spare',
      'majority',
    ])
    const after = Date.parse(window.closes) + 1
    expect(planKeygen(keygenWanted(), seededRandom('p'), after).findings.map((one) => one.rule)).toEqual(['closed'])
  })

  it('refuses a card that is not one, and values that no definition holds', () => {
    const [first, second] = cards as [Uint8Array, Uint8Array]
    const forged = second.slice()
    forged[40] = (forged[40] ?? 0) ^ 1
    expect(() => planKeygen({ ...keygenWanted(), cards: [first, forged] }, seededRandom('p'))).toThrow(
      expect.objectContaining({ code: 'E_CARD' }),
    )
    for (const wrong of [{ name: 'Treasury' }, { threshold: 1 }, { cards: [first] }, { relays: [] }, { attempts: 0 }])
      expect(() => planKeygen({ ...keygenWanted(), ...wrong }, seededRandom('p'))).toThrow(
        expect.objectContaining({ code: 'E_USAGE' }),
      )
  })
})

describe('plan of a signature', () => {
  const wanted = async () => ({
    name: 'payment',
    window,
    key: {
      definition: await keygenDefinition({ relays: pinnedRelays }),
      key: 'ab'.repeat(32) as Hash,
      record: 'cd'.repeat(32) as Hash,
      epoch: 1,
      publicKey: 'aa'.repeat(32),
      verifyingShares: ['ab', 'ac', 'ad'].map((byte) => byte.repeat(32)),
    } satisfies KeyBase,
    message: { form: 'hex' as const, size: 1, sha256: 'ef'.repeat(32) as Hash },
    signers: 'any' as const,
  })

  it('takes roster, threshold, protocol and relays from the key', async () => {
    const { definition, findings } = planSign(await wanted(), seededRandom('s'))
    const { sites, relays, protocol, threshold } = await keygenDefinition({ relays: pinnedRelays })
    expect(findings).toEqual([])
    expect(definition).toMatchObject({
      kind: 'sign',
      sites,
      relays,
      protocol,
      threshold,
      key: 'ab'.repeat(32),
      base: 'cd'.repeat(32),
    })
    expect(await readDefinition(definitionYaml(definition))).toEqual(definition)
  })

  it('puts signers in the order of the sites, and finds those that are none', async () => {
    const named = planSign({ ...(await wanted()), signers: ['ap', 'eu'] as SiteId[] }, seededRandom('s'))
    expect(named.definition.signers).toEqual(['eu', 'ap'])
    const unknown = planSign({ ...(await wanted()), signers: ['ap', 'xx'] as SiteId[] }, seededRandom('s'))
    expect(unknown.findings.map((one) => one.rule)).toContain('signer')
  })

  it('takes newer cards of the sites of the key, and of nobody else', async () => {
    const newer = await cardOf('us', { stores: ['home', 'copy'] })
    const { definition, findings } = planSign({ ...(await wanted()), cards: [newer] }, seededRandom('s'))
    expect(definition.sites.map((site) => site.stores)).toEqual([['home'], ['home', 'copy'], ['home']])
    expect(findings).toEqual([])
    const stranger = await cardOf('stranger')
    await expect(async () =>
      planSign({ ...(await wanted()), cards: [stranger] }, seededRandom('s')),
    ).rejects.toMatchObject({
      code: 'E_CARD',
    })
  })
})
