import { beforeAll, describe, expect, it } from 'vitest'
import { type BundleFacts, readFacts } from '../../src/audit/bundle-facts.ts'
import { allChecks, type CheckId } from '../../src/audit/check-table.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { open, type RefreshedChain, sharedRefreshedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'

let chain: RefreshedChain
let facts: BundleFacts
beforeAll(async () => {
  chain = await sharedRefreshedChain()
  const bundle = await open(chain.refreshBundle)
  facts = await readFacts(bundle, await protocolEvidence(bundle.definition), { trust: 'stated' } as never)
})

const found = async (id: CheckId, changed: BundleFacts) => allChecks.find((check) => check.id === id)?.run(changed)
const other = hashOf(utf8('something else'))

describe('the epoch that a refresh builds on', () => {
  it('is one of the same key', async () => {
    expect(await found('transcript.base', facts)).toMatchObject({
      verdict: 'holds',
      reason: expect.stringContaining('2'),
    })
  })

  const definition = (change: object) => ({ ...facts, definition: { ...facts.definition, ...change } as never })
  const base = () => facts.definition.base as Hash
  const replaced = (change: object): BundleFacts => {
    const outcome = facts.records.get(base())?.outcome ?? expect.fail()
    const old = facts.outcomes.get(outcome) ?? expect.fail()
    return { ...facts, outcomes: new Map([...facts.outcomes, [outcome, { ...old, ...change }]]) }
  }
  it.each([
    ['a definition of another key', () => definition({ key: other })],
    ['a definition that skips a number', () => definition({ epoch: 3 })],
    ['a base of another public key', () => replaced({ publicKey: 'ab'.repeat(32) })],
    ['a base of another protocol', () => replaced({ protocol: 'frost-ristretto255' })],
    ['a base that says it was no first epoch', () => replaced({ base: other })],
    [
      'a base whose outcome is in no log',
      () => ({ ...facts, outcomes: new Map([...facts.outcomes].filter(([, { base: before }]) => before !== null)) }),
    ],
  ])('is refused: %s', async (_, changed) => {
    expect(await found('transcript.base', changed())).toMatchObject({ verdict: 'fails' })
  })
})

it('a signature by a later epoch is one with the key where people approved its record', async () => {
  const bundle = await open(chain.signBundle)
  const signed = await readFacts(bundle, await protocolEvidence(bundle.definition), { trust: 'stated' } as never)
  const key = async (changed: BundleFacts) => (await found('signature.key', changed))?.verdict
  expect(await key(signed)).toBe('holds')
  // The outcome says that it replaced another one: it is no keygen's, and its hash is not the key's id.
  const later = { ...signed, outcomes: new Map([...signed.outcomes].map(([id, one]) => [id, { ...one, base: other }])) }
  expect(await key(later)).toBe('holds')
  const definition = { ...signed.definition, base: other } as never
  expect(await key({ ...later, definition })).toBe('fails')
})

describe('a bundle of a refresh', () => {
  const verify = async (edit: (draft: Draft) => unknown) => {
    const bytes = await forge(chain, chain.refreshBundle, (draft) => void edit(draft))
    return verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
  }
  const drop = (what: string) => (draft: Draft) => {
    for (const [site, events] of draft.logs)
      draft.logs.set(
        site,
        events.filter((event) => event.what !== what),
      )
  }

  it('says who was not heard to have destroyed its old share, where a quorum may be left', async () => {
    const report = await verify(drop('retired'))
    const check = report.checks.find(({ id }) => id === 'votes.retired')
    expect(check).toMatchObject({
      verdict: 'open',
      reason: 'shares of epoch 1 that were not said to be destroyed: eu, us, ap',
    })
  })

  it('names the key by its keygen’s outcome, and not by its own', async () => {
    const report = await verify(() => undefined)
    expect(report.verdict).toBe('valid')
    expect(report.key?.id).toBe(chain.sign.key)
  })
})
