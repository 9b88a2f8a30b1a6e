import { expect, test } from 'vitest'
import { answerable, countTurns, countUnanswered } from '../../src/ceremony/gather/turns.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import type { Attempt } from '../../src/records/attempt.ts'

/** An attempt by its first site; sites as `name+` where they signed it, with the number of their hello: `s2+1`. */
const attempt = (hash: string, sites: string, last: Record<string, string> = {}) => {
  const seats = sites.split(' ').map((one) => /^(s\d)(\+?)(\d)$/.exec(one) ?? expect.fail(one))
  const participants = seats.map(([, site, , hello]) => ({
    site: site as SiteId,
    hello: `${site} ${hello}` as Hash,
    last: (last[site as string] ?? null) as Hash | null,
  }))
  return {
    hash: hash as Hash,
    value: { coordinator: seats[0]?.[1], participants } as unknown as Attempt,
    signatures: new Set(seats.flatMap(([, site, signed]) => (signed === '+' ? [site as SiteId] : []))),
  }
}

const coordinators = ['s1', 's2'] as SiteId[]
const turnsOf = (...attempts: ReturnType<typeof attempt>[]) => [...countTurns(coordinators, attempts).had.values()]

test('of two proposals that met the one earlier in the line is a turn', () => {
  // As many turns: the first in the roster. It was late, or the other too early; its site paid for either.
  expect(turnsOf(attempt('a', 's1+0 s3+0 s4+0'), attempt('b', 's2+0 s30 s40'))).toEqual([1, 0])
  const spoiled = attempt('a', 's1+0 s3+0 s4+0')
  expect(turnsOf(spoiled, attempt('b', 's2+0 s11 s4+1'), attempt('c', 's1+1 s20 s41'))).toEqual([1, 1])
})

test('one that went ahead does not cost the one whose turn it was a turn without somebody to answer for it', () => {
  const spoiled = attempt('a', 's1+0 s3+0 s4+0')
  const inTurn = attempt('b', 's2+0 s11 s4+1')
  const ahead = attempt('c', 's1+1 s20 s41')
  const attempts = [spoiled, ahead, inTurn]
  const turns = countTurns(coordinators, attempts)
  expect(turns.counted.has(inTurn.hash)).toBe(true)
  const lack = answerable(inTurn, attempts, ['s1', 's3'] as SiteId[])
  expect([...countUnanswered(new Map([[inTurn.hash, lack]]), turns)]).toEqual([['s1', 1]])
})

test('one proposal excuses no two of one coordinator', () => {
  const first = attempt('a', 's1+0 s3+0 s4+0')
  expect(turnsOf(first, attempt('b', 's2+0 s30 s4+0'), attempt('c', 's2+1 s30 s4+1'))).toEqual([1, 1])
})

test('an attempt excuses none that was over when somebody signed it', () => {
  const silent = attempt('b', 's2+0 s10 s3+0')
  expect(turnsOf(silent, attempt('a', 's1+0 s2+1 s4+0', { s2: 'b' }))).toEqual([1, 1])
  const between = attempt('d', 's2+1 s3+1 s4+0', { s2: 'b', s3: 'b' })
  expect(turnsOf(silent, between, attempt('a', 's1+0 s3+2 s4+1', { s3: 'd' }))).toEqual([1, 2])
})
