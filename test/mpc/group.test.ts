import { ed448 } from '@noble/curves/ed448.js'
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import type { Element, Group, Scalar } from '../../src/mpc/group/group.ts'
import { loadEd25519, loadRistretto255 } from '../../src/mpc/group/libsodium.ts'
import { loadGroup, selfTest } from '../../src/mpc/group/load.ts'
import { type CurveName, nobleGroups } from '../../src/mpc/group/noble.ts'
import { loadOpensslP256 } from '../../src/mpc/group/openssl-p256.ts'
import { loadNativeSecp256k1 } from '../../src/mpc/group/secp256k1-addon.ts'
import { loadNativeEd25519 } from '../../src/mpc/group/sodium-native.ts'
import { loadTinySecp256k1 } from '../../src/mpc/group/tiny-secp256k1.ts'

/** An addon is no dependency: it is held to noble wherever it is installed. */
const installed = (load: () => Promise<Group>): Promise<Group | undefined> => load().catch(() => undefined)

const backends: readonly (readonly [CurveName, string, Group | undefined])[] = [
  ['ed25519', 'libsodium', await loadEd25519()],
  ['ed25519', 'addon', await installed(loadNativeEd25519)],
  ['ed448', 'noble', nobleGroups.ed448],
  ['p256', 'OpenSSL', await loadOpensslP256()],
  ['ristretto255', 'libsodium', await loadRistretto255()],
  ['secp256k1', 'tiny', await loadTinySecp256k1()],
  ['secp256k1', 'addon', await installed(loadNativeSecp256k1)],
]

const named = backends.map(
  ([curve, name, loaded]) =>
    [curve, loaded === undefined ? `${name}, skipped: not installed here` : name, loaded] as const,
)

describe.each(named)('%s on %s', (curve, _, loaded) => {
  const noble = nobleGroups[curve]
  const here = loaded === undefined ? it.skip : it
  const group = loaded ?? noble
  const { field } = group
  const numRuns = 25

  const wide = fc.uint8Array({ minLength: field.wideBytes, maxLength: field.wideBytes })
  const small = fc.integer({ min: 1, max: 255 })
  /** Uniform, and the ends of the range. */
  const scalarBytes = fc.oneof(
    wide.map((bytes) => noble.field.encode(noble.field.reduce(bytes))),
    fc.constantFrom(0, 1, 2).map((n) => noble.field.encode(noble.field.fromNumber(n))),
    fc
      .constantFrom(1, 2)
      .map((n) => noble.field.encode(noble.field.subtract(noble.field.fromNumber(0), noble.field.fromNumber(n)))),
  )
  const both = (bytes: Uint8Array): readonly [Scalar, Scalar] => [
    field.decode(bytes) as Scalar,
    noble.field.decode(bytes) as Scalar,
  ]
  const same = (p: Element, q: Element): void => {
    expect(group.isIdentity(p)).toBe(noble.isIdentity(q))
    if (!noble.isIdentity(q)) expect(toHex(group.encode(p))).toBe(toHex(noble.encode(q)))
    else expect(() => group.encode(p)).toThrow()
  }
  const elements = (bytes: Uint8Array): readonly [Element, Element] => {
    const [a, b] = both(bytes)
    return [group.combine(a, [], []), noble.combine(b, [], [])]
  }

  here('passes its own test, and another curve does not', () => {
    expect(selfTest(group, noble)).toBe(true)
    expect(selfTest(group, nobleGroups[curve === 'p256' ? 'secp256k1' : 'p256'])).toBe(false)
  })

  here('computes with scalars as noble does', () => {
    fc.assert(
      fc.property(scalarBytes, scalarBytes, (x, y) => {
        const [a, a2] = both(x)
        const [b, b2] = both(y)
        for (const operation of ['add', 'subtract', 'multiply'] as const)
          expect(toHex(field.encode(field[operation](a, b)))).toBe(
            toHex(noble.field.encode(noble.field[operation](a2, b2))),
          )
        expect(field.isZero(a)).toBe(noble.field.isZero(a2))
        if (field.isZero(a)) expect(() => field.invert(a)).toThrow()
        else expect(toHex(field.encode(field.invert(a)))).toBe(toHex(noble.field.encode(noble.field.invert(a2))))
      }),
      { numRuns },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(), (bytes, n) => {
        expect(toHex(field.encode(field.reduce(bytes)))).toBe(toHex(noble.field.encode(noble.field.reduce(bytes))))
        expect(toHex(field.encode(field.fromNumber(n)))).toBe(toHex(noble.field.encode(noble.field.fromNumber(n))))
      }),
      { numRuns },
    )
  })

  here('takes the same bytes for scalars', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: field.bytes - 1, maxLength: field.bytes + 1 }), (bytes) => {
        expect(field.decode(bytes) === undefined).toBe(noble.field.decode(bytes) === undefined)
      }),
      { numRuns: 100 },
    )
    const minus = field.encode(field.subtract(field.fromNumber(0), field.fromNumber(1)))
    const order = Uint8Array.from(minus)
    const last = field.encode(field.fromNumber(1))[0] === 1 ? 0 : order.length - 1
    order[last] = (order[last] as number) + 1
    expect(field.decode(minus)).toBeDefined()
    expect(field.decode(order)).toBeUndefined()
  })

  here('computes with elements as noble does, the identity included', () => {
    fc.assert(
      fc.property(scalarBytes, scalarBytes, scalarBytes, small, (x, y, z, n) => {
        const [p, p2] = elements(x)
        const [q, q2] = elements(y)
        const [a, a2] = both(y)
        const [b, b2] = both(z)
        same(p, p2)
        if (!field.isZero(a)) same(group.timesBase(a), noble.timesBase(a2))
        same(group.add(p, q), noble.add(p2, q2))
        same(group.add(p, group.negate(p)), noble.add(p2, noble.negate(p2)))
        same(group.negate(p), noble.negate(p2))
        same(group.timesSmall(n, p), noble.timesSmall(n, p2))
        same(group.combine(b, [a, b], [p, q]), noble.combine(b2, [a2, b2], [p2, q2]))
        same(group.combine(undefined, [a], [p]), noble.combine(undefined, [a2], [p2]))
        expect(group.equals(p, q)).toBe(noble.equals(p2, q2))
      }),
      { numRuns },
    )
  })

  here('takes the same bytes for elements', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ minLength: group.bytes, maxLength: group.bytes }),
          fc.uint8Array({ minLength: group.bytes - 1, maxLength: group.bytes + 1 }),
          fc.tuple(wide, fc.nat({ max: group.bytes - 1 }), fc.nat({ max: 7 })).map(([bytes, at, bit]) => {
            const encoded = noble.encode(noble.combine(noble.field.reduce(bytes), [], []))
            encoded[at] = (encoded[at] as number) ^ (1 << bit)
            return encoded
          }),
        ),
        (bytes) => {
          const [mine, theirs] = [group.decode(bytes), noble.decode(bytes)]
          expect(mine === undefined).toBe(theirs === undefined)
          if (mine !== undefined) expect(toHex(group.encode(mine))).toBe(toHex(bytes))
        },
      ),
      { numRuns: 100 },
    )
    for (const bytes of [new Uint8Array(), new Uint8Array(group.bytes), new Uint8Array(group.bytes).fill(255)])
      expect(group.decode(bytes)).toBeUndefined()
  })

  here('does not change what it is given, and gives what may be overwritten', () => {
    const bytes = field.encode(field.fromNumber(9))
    const scalar = field.decode(bytes) as Scalar
    const encoded = field.encode(scalar)
    encoded.fill(0)
    bytes.fill(0)
    expect(field.isZero(scalar)).toBe(false)
    const element = group.timesBase(scalar)
    const text = toHex(group.encode(element))
    group.encode(element).fill(0)
    const decoded = group.decode(fromHex(text)) as Element
    expect(toHex(group.encode(decoded))).toBe(text)
    expect(toHex(group.encode(element))).toBe(text)
  })
})

describe('elements outside the prime-order group', () => {
  it.each(backends.filter(([curve, , group]) => curve === 'ed25519' && group !== undefined))(
    'are refused: %s on %s',
    (_, __, group) => {
      for (const candidate of [group as Group, nobleGroups.ed25519])
        for (const torsion of ED25519_TORSION_SUBGROUP) {
          const small = fromHex(torsion)
          expect(candidate.decode(small)).toBeUndefined()
          const mixed = ed25519.Point.BASE.multiply(5n).add(ed25519.Point.fromBytes(small))
          const isBase = ed25519.Point.fromBytes(small).is0()
          expect(candidate.decode(mixed.toBytes()) !== undefined).toBe(isBase)
        }
      // y + p for a small y: a second spelling of an element's y.
      const spelled = Uint8Array.from(fromHex(`ee${'ff'.repeat(30)}7f`))
      expect((group as Group).decode(spelled)).toBeUndefined()
    },
  )

  it('are refused: ed448', () => {
    const two = ed448.Point.fromAffine({ x: 0n, y: ed448.Point.Fp.ORDER - 1n })
    expect(nobleGroups.ed448.decode(two.toBytes())).toBeUndefined()
    expect(nobleGroups.ed448.decode(ed448.Point.BASE.add(two).toBytes())).toBeUndefined()
    expect(nobleGroups.ed448.decode(ed448.Point.ZERO.toBytes())).toBeUndefined()
  })
})

it('a group is loaded once', async () => {
  expect(await loadGroup('ed25519')).toBe(await loadGroup('ed25519'))
  expect((await loadGroup('ed25519')).backend).not.toBe('noble')
  expect((await loadGroup('secp256k1')).backend).not.toBe('noble')
})
