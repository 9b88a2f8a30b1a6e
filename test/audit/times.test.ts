import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lastWord, reachedBy, standing, tooEarly, type Word } from '../../src/audit/times.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { hashOf } from '../../src/lib/hash.ts'

const site = (n: number): SiteId => `s${n}` as SiteId
const word = (n: number, changes: Partial<Word> = {}): Word => ({
  site: site(n),
  said: undefined,
  log: undefined,
  cosigned: new Map(),
  ...changes,
})

const instant = fc.integer({ min: 0, max: 1000 })
const maybe = fc.option(instant, { nil: undefined })

/** What was made ended at 500 by every honest clock; whoever closed late did it up to 20 later. */
const END = 500
const honest = (n: number, of: SiteId): fc.Arbitrary<Word> =>
  fc
    .record({ said: fc.integer({ min: 480, max: END }), late: fc.integer({ min: 0, max: 20 }), here: fc.boolean() })
    .map(({ said, late, here }) =>
      word(n, { said, log: here ? END + late : undefined, cosigned: new Map(here ? [] : [[of, END + late]]) }),
    )
const lying = (n: number, of: SiteId): fc.Arbitrary<Word> =>
  fc
    .record({ said: maybe, log: maybe, at: maybe })
    .map(({ said, log, at }) => word(n, { said, log, cosigned: new Map(at === undefined ? [] : [[of, at]]) }))

interface Play {
  readonly words: readonly Word[]
  readonly threshold: number
}

/** `liars` says how many of the sites lie, of a threshold t; the first of them is the one that was revoked. */
const plays = (liars: (threshold: number) => number): fc.Arbitrary<Play> =>
  fc
    .integer({ min: 2, max: 6 })
    .chain((threshold) => fc.record({ threshold: fc.constant(threshold), n: fc.integer({ min: threshold, max: 9 }) }))
    .chain(({ threshold, n }) =>
      fc
        .tuple(...Array.from({ length: n }, (_, at) => (at < liars(threshold) ? lying : honest)(at, site(0))))
        .map((words) => ({ words, threshold })),
    )

describe('a revocation', () => {
  const all = (threshold: number) => threshold - 1

  it('never lies after what was made because fewer than a quorum, the revoked site among them, say so', () => {
    fc.assert(
      fc.property(plays(all), fc.integer({ min: 0, max: END }), ({ words, threshold }, at) => {
        expect(standing(at, words, { site: site(0), threshold }, undefined)).not.toBe('before')
      }),
    )
  })

  it('never lies before it because fewer than a quorum say so', () => {
    fc.assert(
      fc.property(plays(all), fc.integer({ min: END + 1, max: 1000 }), ({ words, threshold }, at) => {
        expect(standing(at, words, { site: site(0), threshold }, undefined)).not.toBe('after')
      }),
    )
  })

  it('is told to be later wherever nobody lies and it is', () => {
    fc.assert(
      fc.property(
        plays(() => 0),
        fc.integer({ min: END + 21, max: 1000 }),
        ({ words, threshold }, at) => {
          const logs = words.map((one) => ({ ...one, log: one.log ?? one.cosigned.get(site(0)) }))
          expect(standing(at, logs, { site: site(0), threshold }, undefined)).toBe('before')
        },
      ),
    )
  })

  it('is bounded neither by hellos and approvals of others, nor by the own log', () => {
    const words = [word(0, { said: 400, log: 400 }), word(1, { said: 300 }), word(2, { said: 300 })]
    expect(standing(450, words, { site: site(0), threshold: 2 }, undefined)).toBe('unknown')
    expect(standing(300, words, { site: site(0), threshold: 2 }, undefined)).toBe('after')
    expect(standing(450, words, { site: site(0), threshold: 2 }, 460)).toBe('after')
  })

  it('of an approver takes one more site: all that lie may be sites', () => {
    const words = [word(0, { log: 100 }), word(1, { log: 600 })]
    expect(standing(500, words, { site: site(0), threshold: 2 }, undefined)).toBe('unknown')
    expect(standing(500, words, { site: undefined, threshold: 2 }, undefined)).toBe('unknown')
    expect(standing(500, words, { site: site(1), threshold: 2 }, undefined)).toBe('before')
  })
})

describe('an ending', () => {
  it('is no later than some honest site says, and no earlier than the records of a quorum', () => {
    fc.assert(
      fc.property(
        plays((threshold) => threshold - 1),
        ({ words, threshold }) => {
          expect(reachedBy(words, threshold)).toBeLessThanOrEqual(END + 20)
        },
      ),
    )
    expect(reachedBy([word(0, { log: 1 }), word(1, { said: 500 }), word(2, { said: 490 })], 2)).toBe(490)
    expect(reachedBy([word(0)], 2)).toBeUndefined()
  })

  it('has cosignatures in the last word of a site alone', () => {
    const one = word(0, { said: 5, log: 6, cosigned: new Map([[site(1), 9]]) })
    expect([lastWord(one), reachedBy([one], 1), lastWord(word(1))]).toEqual([9, 6, undefined])
  })
})

describe('an attempt in a log', () => {
  const attempt = hashOf(new Uint8Array())
  const entry = (at: number) => ({ what: 'attempt' as const, at, object: attempt as Hash | null })

  it('is too early before its site can have signed it, by more than the bound', () => {
    const found = [88, 89, 90, 1000].map((at) => tooEarly([entry(at)], () => 100, 11) !== undefined)
    expect(found).toEqual([true, false, false, false])
    expect(tooEarly([entry(0)], () => undefined, 0)).toBeUndefined()
    expect(tooEarly([{ ...entry(0), what: 'started' as const }], () => 100, 0)).toBeUndefined()
  })
})
