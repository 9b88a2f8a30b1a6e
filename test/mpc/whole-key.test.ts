import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Index } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { indicesUpTo } from '../../src/mpc/frost/base.ts'
import { type SuiteId, suiteOf } from '../../src/mpc/frost/suite.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import type { Scheme } from '../../src/mpc/scheme.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { type Epoch, makeEpoch } from '../support/epochs.ts'
import { inTurn, many } from '../support/report.ts'

const copy = (secret: Secret): Secret => new Secret(secret.reveal().slice())

const sharesOf = ({ shares }: Epoch, indices: readonly Index[]) =>
  new Map(indices.map((index) => [index, copy(shares[index - 1] as Secret)]))

const publicKeyOf = (id: SuiteId, secret: Secret): string => {
  const { group } = suiteOf(id)
  return toHex(group.encode(group.timesBase(group.field.decode(secret.reveal()) as Scalar)))
}

describe.each(inTurn(protocolIds as readonly SuiteId[], 2))('the whole key of %s', (id) => {
  let scheme: Scheme
  beforeAll(async () => {
    scheme = await loadScheme(id)
  })

  it('comes of any threshold of shares, and of no fewer', async () => {
    const sizes = fc.integer({ min: 2, max: 5 }).chain((n) => fc.tuple(fc.integer({ min: 2, max: n }), fc.constant(n)))
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer(), async ([t, n], seed) => {
        const epoch = await makeEpoch(id, t, n, `whole ${seed}`)
        const shuffled = fc.sample(fc.shuffledSubarray([...indicesUpTo(n)], { minLength: t, maxLength: t }), {
          seed,
          numRuns: 3,
        })
        for (const indices of shuffled) {
          const whole = scheme.wholeKey(sharesOf(epoch, indices), epoch.publicKey)
          expect(publicKeyOf(id, whole)).toBe(toHex(epoch.publicKey))
          const fewer = sharesOf(epoch, indices.slice(0, t - 1))
          expect(() => scheme.wholeKey(fewer, epoch.publicKey)).toThrow(RangeError)
        }
      }),
      { numRuns: many(2, 12, 60) },
    )
  })

  it('comes of no share under another’s index, of no other key’s, and of no bytes that are none', async () => {
    const [epoch, other] = [await makeEpoch(id, 2, 3, 'one'), await makeEpoch(id, 2, 3, 'other')]
    const [first, second] = epoch.shares as [Secret, Secret]
    const of = (a: Secret, b: Secret) => () =>
      scheme.wholeKey(
        new Map([
          [1 as Index, copy(a)],
          [2 as Index, copy(b)],
        ]),
        epoch.publicKey,
      )
    expect(of(first, second)).not.toThrow()
    expect(of(second, first)).toThrow(RangeError)
    expect(of(first, other.shares[1] as Secret)).toThrow(RangeError)
    expect(of(first, new Secret(new Uint8Array(first.length).fill(0xff)))).toThrow(RangeError)
    expect(() => scheme.wholeKey(new Map(), epoch.publicKey)).toThrow(RangeError)
  })

  it('is made of shares that their verifying shares name, and of no others', async () => {
    const { shares, verifyingShares } = await makeEpoch(id, 2, 3, 'named')
    const [first] = shares as [Secret]
    expect(verifyingShares.map((one) => scheme.isShareOf(first, one))).toEqual([true, false, false])
    expect(scheme.isShareOf(new Secret(new Uint8Array(first.length)), verifyingShares[0] as Uint8Array)).toBe(false)
    const bytes = new Uint8Array(first.length).fill(0xff)
    expect(scheme.isShareOf(new Secret(bytes), verifyingShares[0] as Uint8Array)).toBe(false)
    expect(scheme.isShareOf(new Secret(new Uint8Array(7)), verifyingShares[0] as Uint8Array)).toBe(false)
  })
})
