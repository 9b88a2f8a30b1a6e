import { fromCanonicalJson, toCanonicalJson } from '../../src/lib/canonical.ts'
import { type Codec, DecodeError, versionsOf } from '../../src/records/codec.ts'
import { recordNames, recordTable, rowOf } from '../../src/records/record-table.ts'
import { decodeEnvelope } from '../../src/records/signed.ts'
import type { Corpus } from './corpus.ts'
import type { Target } from './run.ts'
import { cborTarget, jsonTarget } from './targets.ts'

const BRACE = 0x7b

const tried = <T>(work: () => T): T | undefined => {
  try {
    return work()
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/**
 * The newest version is read and written again, by values of every version that it can say; each older one is only read.
 */
const everyVersion = <T>(codec: Codec<T>, good: readonly Uint8Array[]): readonly Target[] =>
  versionsOf(codec).map((reader, older): Target => {
    const written = (bytes: Uint8Array): Uint8Array => {
      const value = older === 0 ? codec.decode(bytes) : reader.decode(bytes)
      return older === 0 ? codec.encode(value) : bytes
    }
    const said = good.flatMap((bytes) => tried(() => written(bytes)) ?? [])
    // A version between the corpus's and today's is today's values, field by field.
    const own =
      said.length > 0
        ? said
        : good
            .flatMap((bytes) => tried(() => codec.decode(bytes)) ?? [])
            .map((value) => toCanonicalJson({ ...value, type: reader.type }))
            .filter((bytes) => tried(() => reader.decode(bytes)) !== undefined)
    const [first] = own
    if (first === undefined) throw new Error(`no ${reader.type} in the corpus: no ceremony there says one`)
    const target = first[0] === BRACE ? jsonTarget : cborTarget
    return {
      ...target(codec, own, reader.type),
      read: (bytes) => {
        const value = reader.decode(bytes)
        return older === 0 ? codec.encode(value) : toCanonicalJson(fromCanonicalJson(bytes))
      },
    }
  })

/** Every record of the table, in each of its versions. */
export const recordTargets = (corpus: Corpus): readonly Target[] =>
  recordNames.flatMap((name) => {
    const { codec, signedBy } = rowOf(name)
    const bodies = corpus.bodies(recordTable[name].event)
    const good = signedBy === 'nobody' ? bodies : bodies.map((bytes) => decodeEnvelope(bytes, 2 ** 22).payload)
    return everyVersion(codec, good)
  })
