import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Hash, Index } from '../../src/lib/brand.ts'
import { concat, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf, sha256 } from '../../src/lib/hash.ts'
import { drawPolynomial, shareFits } from '../../src/mpc/frost/dealing.ts'
import { frostKeygen } from '../../src/mpc/frost/keygen.ts'
import { evaluate, evaluateCommitment } from '../../src/mpc/frost/polynomial.ts'
import { type Commitment, commit, prepare } from '../../src/mpc/frost/sign.ts'
import { loadSuite, type Suite } from '../../src/mpc/frost/suite.ts'
import { publicFrom } from '../../src/mpc/frost/total.ts'
import { verify } from '../../src/mpc/frost/verify.ts'
import type { Element, Scalar } from '../../src/mpc/group/group.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { type ProtocolId, protocolIds } from '../../src/records/definition-fields.ts'
import { runAll } from '../support/memory-mailbox.ts'
import { drawing, seededRandom } from '../support/random.ts'
import { whole } from '../support/whole.ts'

/** Values that chance never makes, and that nobody may make: each has a named check, and none ends in an error without a name. */

const session = hashOf(utf8('degenerate')) as Hash
const context = { threshold: 2, parties: 3 }

const negative = ({ group: { field } }: Suite, a: Scalar): Scalar => field.subtract(field.fromNumber(0), a)
const inverse = ({ group: { field } }: Suite, n: number): Scalar => field.invert(field.fromNumber(n))

/** A key generation of three whose dealers draw these polynomials. */
const dealt = (suite: Suite, polynomials: readonly (readonly Scalar[])[]) =>
  runAll(frostKeygen(suite.id), [context, context, context], {
    session,
    tools: (party) => ({ random: drawing(suite.group.field, polynomials[party - 1] ?? [], `dealer ${party}`) }),
  })

const scalars = ({ group: { field } }: Suite, seed: string, count: number): Scalar[] => {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => field.reduce(random(field.wideBytes)))
}

describe.each(protocolIds)('%s', (id: ProtocolId) => {
  /** Third polynomials that make the sum of all three what nobody may choose. */
  const sums: Record<string, (suite: Suite, a0: Scalar, a1: Scalar) => readonly Scalar[]> = {
    'the key': (suite, a0, a1) => [negative(suite, a0), suite.group.field.add(a1, a1)],
    'a coefficient: t−1 shares would be enough': (suite, a0, a1) => [a0, negative(suite, a1)],
    // f(2) = a0 + 2·a1 = 0 in all; BIP-340 shifts it away from zero again.
    ...(id === 'frost-secp256k1-tr'
      ? {}
      : {
          'a verifying share': (suite: Suite, a0: Scalar, a1: Scalar) => {
            const { field } = suite.group
            const sum0 = field.add(a0, a0)
            const wanted = field.multiply(negative(suite, sum0), inverse(suite, 2))
            return [a0, field.subtract(wanted, a1)]
          },
        }),
  }

  it.each(Object.entries(sums))(
    'all dealings together make the identity of %s: named, and nobody blamed',
    async (_, third) => {
      const suite = await loadSuite(id)
      const { field } = suite.group
      const [a, b, c, d] = scalars(suite, `${id} sums`, 4) as [Scalar, Scalar, Scalar, Scalar]
      const last = third(suite, field.add(a, c), field.add(b, d))
      const { ended, network } = await dealt(suite, [[a, b], [c, d], last])
      for (const one of ended) expect(one).toMatchObject({ error: { code: 'E_DEGENERATE', exit: 5 } })
      // Nothing secret left before.
      expect(network.sent.some(({ round }) => round === 'shares')).toBe(false)
      const { derive, rounds } = frostKeygen(id)
      const derived = () => derive(context, session, network.broadcasts(rounds))
      expect(derived).toThrow(DecodeError)
      expect(derived).toThrow(/^all parties together: /)
    },
  )

  it('a key whose sum is the identity has no name but that of its check, whatever the size', async () => {
    const suite = await loadSuite(id)
    const { group } = suite
    const identity = group.combine(undefined, [], [])
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), fc.nat(4), fc.string(), (t, at, seed) => {
        const elements = scalars(suite, seed, t).map((k) => group.timesBase(k))
        const total = elements.map((one, k) => (k === at % t ? identity : one))
        expect(publicFrom(suite, total, t)).toBe('sum-identity')
        expect(typeof publicFrom(suite, elements, t)).toBe('object')
      }),
      { numRuns: id === 'frost-ed448' ? 4 : 20 },
    )
  })

  it('a verifying share that is the identity, of any index, is named', async () => {
    const suite = await loadSuite(id)
    const { group } = suite
    const { field } = group
    for (const index of [1, 2, 3] as Index[]) {
      const [a0] = scalars(suite, `${id} ${index}`, 1) as [Scalar]
      // The tweak of BIP-340 depends on the constant term alone: a1 follows from it.
      const key = group.encode(group.timesBase(a0))
      const even = suite.evenY && key[0] === 3 ? negative(suite, a0) : a0
      const { publicKey } = whole(publicFrom(suite, [group.timesBase(a0), group.timesBase(a0)], 2))
      const tweak = suite.evenY ? field.subtract(discreteLog(suite, publicKey, even), even) : field.fromNumber(0)
      const value = field.multiply(negative(suite, field.add(even, tweak)), inverse(suite, index))
      const a1 = even === a0 ? value : negative(suite, value)
      const total = [group.timesBase(a0), group.timesBase(a1)]
      expect(publicFrom(suite, total, 3)).toBe('verifying-share-identity')
    }
  })

  it('a share of zero fits a commitment only where the commitment says so, in constant-time multiplications', async () => {
    const suite = await loadSuite(id)
    const { group } = suite
    const { field } = group
    const zero = field.fromNumber(0)
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 32 }), (seed, at) => {
        const receiver = at as Index
        const [a0, a1] = scalars(suite, seed, 2) as [Scalar, Scalar]
        const commitment = [a0, a1].map((one) => group.timesBase(one))
        const share = evaluate(field, [a0, a1], receiver)
        expect(shareFits(suite, commitment, receiver, share)).toBe(true)
        expect(shareFits(suite, commitment, receiver, zero)).toBe(false)
        expect(shareFits(suite, commitment, receiver, field.add(share, field.fromNumber(1)))).toBe(false)
        // A polynomial with a root at the receiver: a1 = −a0 / receiver.
        const root = field.multiply(negative(suite, a0), inverse(suite, receiver))
        const rooted = [a0, root].map((one) => group.timesBase(one))
        expect(group.isIdentity(evaluateCommitment(group, rooted, receiver))).toBe(true)
        expect(shareFits(suite, rooted, receiver, zero)).toBe(true)
        expect(shareFits(suite, rooted, receiver, share)).toBe(false)
      }),
      { numRuns: id === 'frost-ed448' ? 3 : 10 },
    )
  })

  it('an honest dealer draws again where a share would be zero', async () => {
    const suite = await loadSuite(id)
    const { field } = suite.group
    const [a0] = scalars(suite, `${id} root`, 1) as [Scalar]
    const root = field.multiply(negative(suite, a0), inverse(suite, 3))
    const hex = (one: Scalar | undefined): string => toHex(field.encode(one as Scalar))
    const drawn = drawPolynomial(field, context, drawing(field, [a0, root], 'again'))
    expect(hex(drawn[0])).not.toBe(hex(a0))
    // With two parties nobody has index 3.
    const kept = drawPolynomial(field, { threshold: 2, parties: 2 }, drawing(field, [a0, root], 'again'))
    expect([hex(kept[0]), hex(kept[1])]).toEqual([hex(a0), hex(root)])
  })

  it('and keeps the constant term that it was given', async () => {
    const suite = await loadSuite(id)
    const { field } = suite.group
    const [a0, other] = scalars(suite, `${id} given`, 2) as [Scalar, Scalar]
    const root = field.multiply(negative(suite, a0), inverse(suite, 3))
    const hex = (one: Scalar): string => toHex(field.encode(one))
    const drawn = drawPolynomial(field, context, drawing(field, [root, other], 'given'), a0)
    expect(drawn.map(hex)).toEqual([a0, other].map(hex))
  })

  it('nonces that add up to the identity are named, and no share follows', async () => {
    const suite = await loadSuite(id)
    const { group } = suite
    const { field } = group
    const publicKey = group.encode(group.timesBase(field.fromNumber(9)))
    const share = field.encode(field.fromNumber(5))
    const one = commit(suite, 1 as Index, share, seededRandom('nonces'))
    // Both nonces of the second are the first’s, negated; only equal binding factors then give the identity.
    const opposite: Commitment = {
      index: 2 as Index,
      bytes: one.commitment.bytes,
      hiding: group.negate(one.commitment.hiding),
      binding: group.negate(one.commitment.binding),
    }
    const flat: Suite = { ...suite, h1: () => field.fromNumber(3) }
    expect(prepare(flat, publicKey, [one.commitment, opposite], utf8('m'))).toBe('nonce-identity')
    expect(typeof prepare(suite, publicKey, [one.commitment, opposite], utf8('m'))).toBe('object')
    // A signer whose own sum is zero: hiding = −factor·binding.
    const binding = field.fromNumber(7)
    const nonces = { hiding: negative(suite, field.multiply(field.fromNumber(3), binding)), binding }
    const own: Commitment = {
      index: 1 as Index,
      bytes: one.commitment.bytes,
      hiding: group.timesBase(nonces.hiding),
      binding: group.timesBase(binding),
    }
    expect(prepare(flat, publicKey, [own], utf8('m'), { index: 1 as Index, nonces })).toBe('nonce-identity')
  })

  it('a nonce of zero is drawn again', async () => {
    const suite = await loadSuite(id)
    const { field } = suite.group
    const values = [field.fromNumber(0), field.fromNumber(4), field.fromNumber(0), field.fromNumber(6)]
    const flat: Suite = { ...suite, h3: () => values.shift() as Scalar }
    const { nonces } = commit(flat, 1 as Index, field.encode(field.fromNumber(5)), seededRandom('zero'))
    expect([nonces.hiding, nonces.binding].map((one) => toHex(field.encode(one)))).toEqual(
      [4, 6].map((n) => toHex(field.encode(field.fromNumber(n)))),
    )
  })

  it('a signature whose R is the identity is refused, though the equation holds', async () => {
    const suite = await loadSuite(id)
    const { group } = suite
    const { field } = group
    const secret = field.fromNumber(11)
    const publicKey = group.encode(group.timesBase(secret))
    // As the encodings of the identity that a lax verifier knows; where a group has none, bytes of its length.
    const nonce = new Uint8Array(suite.evenY ? 32 : group.bytes)
    if (id === 'frost-ed25519' || id === 'frost-ed448') nonce[0] = 1
    const full = suite.evenY ? concat(Uint8Array.of(2), nonce) : nonce
    const response = field.multiply(suite.challenge(full, publicKey, utf8('m')), secret)
    const signature = concat(nonce, field.encode(response))
    expect(verify(suite, publicKey, utf8('m'), signature)).toBe(false)
  })
})

it('BIP-341: a tweak out of range and a tweaked key that is the identity are named', async () => {
  const suite = await loadSuite('frost-secp256k1-tr')
  const { group } = suite
  const { field } = group
  const [a, b] = scalars(suite, 'tweaks', 2).map((k) => group.timesBase(k)) as [Element, Element]
  const outOfRange: Suite = { ...suite, group: { ...group, field: { ...field, decode: () => undefined } } }
  expect(publicFrom(outOfRange, [a, b], 2)).toBe('tweak-range')
  // A field whose reading of the tweak is −key: what no hash gives.
  const secret = scalars(suite, 'tweaks', 1)[0] as Scalar
  const odd = group.encode(a)[0] === 3
  const minus = odd ? secret : negative(suite, secret)
  const cancelling: Suite = { ...suite, group: { ...group, field: { ...field, decode: () => minus } } }
  expect(publicFrom(cancelling, [a, b], 2)).toBe('key-identity')
})

/** The tweaked secret behind a key, from its even secret: one of two. */
const discreteLog = (suite: Suite, publicKey: Uint8Array, even: Scalar): Scalar => {
  const { group } = suite
  const { field } = group
  const name = sha256(utf8('TapTweak'))
  const x = group.encode(group.timesBase(even)).subarray(1)
  const tweaked = field.add(even, field.decode(sha256(concat(name, name, x))) as Scalar)
  expect(toHex(group.encode(group.timesBase(tweaked)))).toBe(toHex(publicKey))
  return tweaked
}
