import { createHash } from 'node:crypto'
import { equal } from '../lib/bytes.ts'

/** RFC 6962 §2.1 trees over SHA-256. Hashes are 32 raw bytes; a tree of no leaves has the hash of nothing as its root. */

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

export const emptyRoot: Uint8Array = new Uint8Array(createHash('sha256').digest())

export const leafHash = (entry: Uint8Array): Uint8Array =>
  createHash('sha256').update(LEAF).update(entry).digest() as Uint8Array

const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  createHash('sha256').update(NODE).update(left).update(right).digest() as Uint8Array

/** Largest power of two below `n`, as an exponent; n ≥ 2. */
const splitLevel = (n: number): number => {
  let level = 0
  while (2 ** (level + 1) < n) level++
  return level
}

/** Root of a stream of leaves in O(log n) memory: the roots of the full subtrees, largest first. */
export class Frontier {
  #size = 0
  readonly #peaks: Uint8Array[] = []

  get size(): number {
    return this.#size
  }

  append(leaf: Uint8Array): void {
    let hash = leaf
    for (let n = this.#size; n % 2 === 1; n = Math.floor(n / 2)) hash = nodeHash(this.#peaks.pop() as Uint8Array, hash)
    this.#peaks.push(hash)
    this.#size++
  }

  root(): Uint8Array {
    const last = this.#peaks.at(-1)
    if (last === undefined) return emptyRoot
    return this.#peaks.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last)
  }
}

/** Every full subtree's root, by level: roots and proofs of any earlier size in O(log² n). */
export class Tree {
  readonly #levels: Uint8Array[][] = [[]]

  get size(): number {
    return this.#levels[0]?.length ?? 0
  }

  append(leaf: Uint8Array): void {
    let hash = leaf
    for (let level = 0; ; level++) {
      const row = this.#levels[level] ?? []
      this.#levels[level] = row
      row.push(hash)
      if (row.length % 2 === 1) return
      hash = nodeHash(row[row.length - 2] as Uint8Array, hash)
    }
  }

  /** MTH(D[from:to]); `from` is a multiple of the largest power of two below the width, as all ranges of RFC 6962 are. */
  #range(from: number, to: number): Uint8Array {
    const width = to - from
    if (width === 0) return emptyRoot
    const level = Math.log2(width)
    if (Number.isInteger(level)) return this.#levels[level]?.[from / width] as Uint8Array
    const middle = from + 2 ** splitLevel(width)
    return nodeHash(this.#range(from, middle), this.#range(middle, to))
  }

  #sized(size: number): void {
    if (!Number.isSafeInteger(size) || size < 0 || size > this.size) throw new RangeError('no such tree size')
  }

  root(size: number = this.size): Uint8Array {
    this.#sized(size)
    return this.#range(0, size)
  }

  /** PATH(index, D[size]) of RFC 6962 §2.1.1. */
  inclusion(index: number, size: number = this.size): readonly Uint8Array[] {
    this.#sized(size)
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) throw new RangeError('no such leaf')
    const path: Uint8Array[] = []
    let from = 0
    let to = size
    while (to - from > 1) {
      const middle = from + 2 ** splitLevel(to - from)
      if (index < middle) {
        path.push(this.#range(middle, to))
        to = middle
      } else {
        path.push(this.#range(from, middle))
        from = middle
      }
    }
    return path.reverse()
  }

  /** PROOF(from, D[to]) of RFC 6962 §2.1.2; empty where `from` is 0 or `to`. */
  consistency(from: number, to: number = this.size): readonly Uint8Array[] {
    this.#sized(to)
    if (!Number.isSafeInteger(from) || from < 0 || from > to) throw new RangeError('no such tree size')
    if (from === 0 || from === to) return []
    const proof: Uint8Array[] = []
    let start = 0
    let end = to
    while (from !== end) {
      const middle = start + 2 ** splitLevel(end - start)
      if (from <= middle) {
        proof.push(this.#range(middle, end))
        end = middle
      } else {
        proof.push(this.#range(start, middle))
        start = middle
      }
    }
    if (start !== 0) proof.push(this.#range(start, end))
    return proof.reverse()
  }
}

const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0

/** RFC 9162 §2.1.3.2: whether `leaf` stands at `index` of the tree of `size` leaves under `root`. */
export const verifyInclusion = (
  leaf: Uint8Array,
  index: number,
  size: number,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): boolean => {
  if (!isSize(index) || !isSize(size) || index >= size || proof.length > 53) return false
  let node = index
  let last = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (sibling.length !== 32 || last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash)
      while (node % 2 === 0 && node !== 0) {
        node = node / 2
        last = Math.floor(last / 2)
      }
    } else hash = nodeHash(hash, sibling)
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && equal(hash, root)
}

/** RFC 9162 §2.1.4.2: whether the tree of `to` leaves extends that of `from` leaves. Every tree extends the empty one. */
export const verifyConsistency = (
  from: number,
  to: number,
  fromRoot: Uint8Array,
  toRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean => {
  if (!isSize(from) || !isSize(to) || from > to || proof.length > 54) return false
  if (from === to) return proof.length === 0 && equal(fromRoot, toRoot) && (to > 0 || equal(toRoot, emptyRoot))
  if (from === 0) return proof.length === 0 && equal(fromRoot, emptyRoot)
  const path = Number.isInteger(Math.log2(from)) ? [fromRoot, ...proof] : proof
  const [first, ...rest] = path
  if (first === undefined || path.some((hash) => hash.length !== 32)) return false
  let node = from - 1
  let last = to - 1
  while (node % 2 === 1) {
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  let older = first
  let newer = first
  for (const hash of rest) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      older = nodeHash(hash, older)
      newer = nodeHash(hash, newer)
      while (node % 2 === 0 && node !== 0) {
        node = node / 2
        last = Math.floor(last / 2)
      }
    } else newer = nodeHash(newer, hash)
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && equal(older, fromRoot) && equal(newer, toRoot)
}
