import { expect, it } from 'vitest'
import type { Hash } from '../../src/lib/brand.ts'
import { recordHashOf, refuseRival } from '../../src/shards/rival.ts'

/** Shares on one disk, whatever a ledger says: the store asks this of each that is staged, and of each vote. */

const hash = (digits: string): Hash => digits.repeat(32) as Hash
const [base, first, second] = [hash('ba'), hash('01'), hash('02')]

type Held = Parameters<typeof refuseRival>[0][number]
const voted = (kind: 'refresh' | 'repair' | undefined): Held => ({
  ...(kind === undefined ? {} : { core: { kind } }),
  state: 'staged',
  made: { ceremony: first, base } as Held['made'],
  record: { outcome: hash('0a'), envelopes: [hash('0b'), hash('0c')] },
  supersedes: [],
})
const refused = (held: Held, kind: 'refresh' | 'repair', named = true): string => {
  try {
    refuseRival([held], { base, ceremony: second, kind }, named ? [recordHashOf(held) ?? expect.fail()] : [])
    return 'may lie beside it'
  } catch (error) {
    return String((error as Error).message)
  }
}

it.each([
  ['refresh', 'refresh', true, 'may lie beside it'],
  ['repair', 'repair', true, 'may lie beside it'],
  ['repair', 'refresh', true, 'may lie beside it'],
  ['refresh', 'repair', true, /a repair would keep the old ones/],
  [undefined, 'repair', true, /a repair would keep the old ones/],
  ['repair', 'repair', false, /the definition does not name it/],
  ['refresh', 'refresh', false, /the definition does not name it/],
] as const)('a share that was voted for in a %s, and one of a %s (named: %s)', (held, kind, named, said) => {
  expect(refused(voted(held), kind, named)).toMatch(said)
})
