import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { emptyRoot, Frontier, leafHash, Tree, verifyConsistency, verifyInclusion } from '../../src/audit/merkle.ts'
import { concat, fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { sha256 } from '../../src/lib/hash.ts'

/** RFC 6962 §2.1 as it is written: slow, and the measure of the fast one. */
const split = (n: number): number => 2 ** Math.floor(Math.log2(n - 1))
const mth = (d: readonly Uint8Array[]): Uint8Array =>
  d.length === 0
    ? sha256()
    : d.length === 1
      ? (d[0] as Uint8Array)
      : sha256(Uint8Array.of(1), mth(d.slice(0, split(d.length))), mth(d.slice(split(d.length))))
const path = (m: number, d: readonly Uint8Array[]): Uint8Array[] => {
  if (d.length <= 1) return []
  const k = split(d.length)
  return m < k ? [...path(m, d.slice(0, k)), mth(d.slice(k))] : [...path(m - k, d.slice(k)), mth(d.slice(0, k))]
}
const subproof = (m: number, d: readonly Uint8Array[], whole: boolean): Uint8Array[] => {
  if (m === d.length) return whole ? [] : [mth(d)]
  const k = split(d.length)
  return m <= k
    ? [...subproof(m, d.slice(0, k), whole), mth(d.slice(k))]
    : [...subproof(m - k, d.slice(k), false), mth(d.slice(0, k))]
}

const SIZES = 64
const leaves = [...Array(SIZES).keys()].map((i) => leafHash(utf8(`entry ${i}`)))
const tree = new Tree()
for (const leaf of leaves) tree.append(leaf)
const roots = [...Array(SIZES + 1).keys()].map((n) => mth(leaves.slice(0, n)))
const root = (n: number): Uint8Array => roots[n] as Uint8Array
const leafAt = (n: number): Uint8Array => leaves[n] as Uint8Array
const flipped = (hash: Uint8Array, bit = 0): Uint8Array =>
  hash.map((b, i) => (i === bit >> 3 ? b ^ (1 << (bit & 7)) : b))

describe('merkle tree', () => {
  it('has the roots of the Certificate Transparency test tree', () => {
    const entries = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
    const ct = new Tree()
    const found = entries.map((entry) => {
      ct.append(leafHash(fromHex(entry)))
      return toHex(ct.root())
    })
    expect(found[0]).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
    expect(found[1]).toBe('fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125')
    expect(found[2]).toBe('aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77')
    expect(found[7]).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328')
    expect(toHex(emptyRoot)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })

  it('gives the roots of the definition at every size, as a tree and as a stream', () => {
    const stream = new Frontier()
    for (let n = 0; n <= SIZES; n++) {
      expect(toHex(tree.root(n))).toBe(toHex(root(n)))
      expect(toHex(stream.root())).toBe(toHex(root(n)))
      if (n < SIZES) stream.append(leafAt(n))
    }
  })

  it('gives and takes the inclusion proof of every leaf at every size', () => {
    for (let n = 1; n <= SIZES; n++)
      for (let m = 0; m < n; m++) {
        const proof = tree.inclusion(m, n)
        expect(proof.map(toHex)).toEqual(path(m, leaves.slice(0, n)).map(toHex))
        expect(verifyInclusion(leafAt(m), m, n, root(n), proof)).toBe(true)
      }
  })

  it('gives and takes the consistency proof of every pair of sizes', () => {
    for (let n = 0; n <= SIZES; n++)
      for (let m = 0; m <= n; m++) {
        const proof = tree.consistency(m, n)
        if (m > 0) expect(proof.map(toHex)).toEqual(subproof(m, leaves.slice(0, n), true).map(toHex))
        expect(verifyConsistency(m, n, root(m), root(n), proof)).toBe(true)
      }
  })

  it('refuses proofs of another leaf, place, size or root, and longer, shorter or altered ones', () => {
    const size = fc.integer({ min: 1, max: SIZES })
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), fc.nat(255), (n, i, j, bit) => {
        const m = i % n
        const proof = tree.inclusion(m, n)
        const other = j % n
        if (other !== m) {
          expect(verifyInclusion(leafAt(other), m, n, root(n), proof)).toBe(false)
          expect(verifyInclusion(leafAt(m), other, n, root(n), proof)).toBe(false)
        }
        expect(verifyInclusion(leafAt(m), m, n, flipped(root(n), bit), proof)).toBe(false)
        expect(verifyInclusion(leafAt(m), m, n, root(n), [...proof, leafAt(0)])).toBe(false)
        if (proof.length > 0) {
          expect(verifyInclusion(leafAt(m), m, n, root(n), proof.slice(1))).toBe(false)
          const k = j % proof.length
          const altered = proof.map((hash, at) => (at === k ? flipped(hash, bit) : hash))
          expect(verifyInclusion(leafAt(m), m, n, root(n), altered)).toBe(false)
        }
      }),
    )
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), fc.nat(255), (n, i, j, bit) => {
        const m = 1 + (i % n)
        const proof = tree.consistency(m, n)
        expect(verifyConsistency(m, n, flipped(root(m), bit), root(n), proof)).toBe(false)
        expect(verifyConsistency(m, n, root(m), flipped(root(n), bit), proof)).toBe(false)
        expect(verifyConsistency(m, n, root(m), root(n), [...proof, leafAt(0)])).toBe(false)
        expect(verifyConsistency(n + 1, m, root(n), root(m), proof)).toBe(false)
        if (proof.length > 0) {
          expect(verifyConsistency(m, n, root(m), root(n), proof.slice(1))).toBe(false)
          const k = j % proof.length
          const altered = proof.map((hash, at) => (at === k ? flipped(hash, bit) : hash))
          expect(verifyConsistency(m, n, root(m), root(n), altered)).toBe(false)
        }
      }),
    )
  })

  it('never throws on proofs and sizes from outside', () => {
    const number = fc.oneof(fc.integer(), fc.double(), fc.maxSafeInteger())
    const bytes = fc.uint8Array({ maxLength: 40 })
    fc.assert(
      fc.property(number, number, bytes, bytes, fc.array(bytes, { maxLength: 60 }), (a, b, x, y, proof) => {
        verifyInclusion(x, a, b, y, proof)
        verifyConsistency(a, b, x, y, proof)
      }),
    )
    expect(verifyInclusion(leafAt(0), 0, 1, root(1).subarray(1), [])).toBe(false)
  })

  it('asks for what the tree does not have', () => {
    expect(() => tree.root(SIZES + 1)).toThrow(RangeError)
    expect(() => tree.inclusion(3, 3)).toThrow(RangeError)
    expect(() => tree.consistency(4, 3)).toThrow(RangeError)
    expect(() => tree.inclusion(0.5, 3)).toThrow(RangeError)
  })

  it('keeps leaves and nodes apart', () => {
    const pair = new Tree()
    pair.append(leafAt(0))
    pair.append(leafAt(1))
    expect(toHex(leafHash(concat(leafAt(0), leafAt(1))))).not.toBe(toHex(pair.root()))
  })
})
