import { decode as decodeCbor } from 'cborg'
import type { Codec } from '../../src/records/codec.ts'
import { type Dice, mutateBytes, mutateTree, writeCbor, writeJson } from './mutate.ts'
import type { Target } from './run.ts'

/** A codec's own bytes, changed where its schema can tell: what it reads, it must write again as it was. */
export const jsonTarget = <T>(codec: Codec<T>, good: readonly Uint8Array[], name = codec.type): Target => {
  const texts = good.map((bytes) => Buffer.from(bytes).toString('utf8'))
  return {
    name,
    limit: codec.limit,
    make: (d) => {
      if (d.chance(8)) return mutateBytes(d, d.pick(good))
      return writeJson(d, mutateTree(d, JSON.parse(d.pick(texts))))
    },
    read: (bytes) => codec.encode(codec.decode(bytes)),
  }
}

export const cborTarget = <T>(codec: Codec<T>, good: readonly Uint8Array[], name = codec.type): Target => ({
  name,
  limit: codec.limit,
  make: cborMaker(good),
  read: (bytes) => codec.encode(codec.decode(bytes)),
})

export const cborMaker = (good: readonly Uint8Array[]): ((d: Dice) => Uint8Array) => {
  const trees = good.map((bytes) => decodeCbor(bytes) as unknown)
  return (d) => {
    if (d.chance(6)) return mutateBytes(d, d.pick(good))
    // In an array, so that the tree itself has a place that can be changed.
    const [tree] = mutateTree(d, [structuredClone(d.pick(trees))])
    return writeCbor(d, tree)
  }
}

/** One of several, a turn each. */
export const oneOf = (name: string, targets: readonly Target[]): Target => {
  let turn = 0
  const tag = targets.map((_, n) => n)
  return {
    name,
    limit: Math.max(...targets.map((target) => target.limit)),
    // The first byte says whose turn it was; it is no part of the input.
    make: (d) => {
      const n = tag[turn++ % tag.length] ?? 0
      const bytes = targets[n]?.make(d) ?? new Uint8Array()
      return new Uint8Array(Buffer.concat([Uint8Array.of(n), bytes]))
    },
    read: async (bytes) => {
      const written = await targets[(bytes[0] ?? 0) % targets.length]?.read(bytes.subarray(1))
      return written && new Uint8Array(Buffer.concat([bytes.subarray(0, 1), written]))
    },
  }
}
