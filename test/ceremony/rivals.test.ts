import { beforeAll, describe, expect, it } from 'vitest'
import { recordsToName, refuseOtherParts, undecidedVotes } from '../../src/ceremony/epoch/rivals.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition, definitionCodec } from '../../src/records/definition.ts'
import type { LedgerEventName, LogEvent } from '../../src/records/event.ts'
import type { RefreshDefinition } from '../../src/records/kinds/refresh.ts'
import { keygenDefinition, refreshDefinition, repairDefinition } from '../support/definition.ts'

/** Votes that a home's ledger alone still shows: the shares that they were for are gone. */

const hash = (text: string): Hash => hashOf(utf8(text))
let keygen: Definition
let a: RefreshDefinition
let c: RefreshDefinition
let otherKey: RefreshDefinition
let next: RefreshDefinition
beforeAll(async () => {
  keygen = await keygenDefinition()
  a = await refreshDefinition({ nonce: 'aa'.repeat(16) })
  c = await refreshDefinition({ nonce: 'cc'.repeat(16), supersedes: [hash('a')] })
  otherKey = await refreshDefinition({ nonce: 'bb'.repeat(16), key: hash('another key') })
  next = await refreshDefinition({ nonce: 'ee'.repeat(16) })
})

type Said = readonly [LedgerEventName, Definition, string]
type Parts = Parameters<typeof refuseOtherParts>[0]
const home = (...said: readonly Said[]): Parts => {
  const definitions = new Map(said.map(([, one]) => [ceremonyId(one), definitionCodec.encode(one)]))
  const events = said.map(
    ([what, one, record], seq): LogEvent => ({
      seq,
      at: 0,
      what,
      ceremony: ceremonyId(one),
      site: null,
      object: hash(record),
    }),
  )
  return {
    home: { disk: { read: async () => undefined }, identity: keygen.sites[0]?.identity ?? expect.fail() },
    ledger: { replay: () => events[Symbol.iterator]() as never },
    shards: { ofKey: async () => ({ whole: [], damaged: [] }) },
    ceremonyLog: async (ceremony) => {
      const body = (at: Hash) => (at === ceremony ? definitions.get(ceremony) : undefined)
      return { body } as never
    },
  }
}

describe('the records that a definition has to name', () => {
  it('are those that this home voted for, of this key, and those that they name', async () => {
    const votes = home(['ready', keygen, 'k'], ['ready', otherKey, 'b'], ['ready', c, 'c'])
    expect(await undecidedVotes(votes, next.key)).toEqual([
      { ceremony: ceremonyId(c), topic: 'rotate', renews: true, record: hash('c'), supersedes: [hash('a')] },
    ])
    expect(await recordsToName(votes, next.key)).toEqual([hash('a'), hash('c')].sort())
  })

  it('are none that came true here', async () => {
    expect(await recordsToName(home(['ready', a, 'a'], ['installed', a, 'a']), next.key)).toEqual([])
    const later = home(['ready', a, 'a'], ['installed', a, 'a'], ['ready', c, 'c'])
    expect(await recordsToName(later, next.key)).toEqual([hash('c')])
  })

  it('are asked for by who voted for them, in every other ceremony', async () => {
    const votes = home(['ready', a, 'a'])
    await expect(refuseOtherParts(votes, next)).rejects.toMatchObject({
      code: 'E_NOT_FINISHED',
      details: { ceremony: ceremonyId(a), record: hash('a') },
      hint: expect.stringContaining('quorate rotate plan'),
    })
    await refuseOtherParts(votes, a)
    await refuseOtherParts(votes, c)
  })

  it('are never those of new shares, for a repair: it may take the place of another repair alone', async () => {
    const repair = await repairDefinition({ supersedes: [hash('a')] })
    await expect(refuseOtherParts(home(['ready', a, 'a']), repair)).rejects.toMatchObject({
      code: 'E_NOT_FINISHED',
      message: expect.stringContaining('a repair would keep the old ones'),
    })
    const another = await repairDefinition({ nonce: 'ab'.repeat(16) })
    await refuseOtherParts(home(['ready', another, 'a']), repair)
  })
})
