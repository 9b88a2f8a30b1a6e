import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import type { Disk } from '../lib/ports.ts'
import { DecodeError } from '../records/codec.ts'
import { type EpochRecord, type Outcome, outcomeCodec, recordCodec } from '../records/outcome.ts'
import { supersedesFileCodec } from '../records/sealed-shard.ts'
import { damaged, decoded, notThere } from './damage.ts'
import { parseVotes, refuseOtherVotes } from './votes-file.ts'

/** Files beside a share, as far as they are there: votes only beside the other two. */
interface Beside {
  readonly made: Outcome | undefined
  readonly record: EpochRecord | undefined
  readonly votes: readonly Uint8Array[]
  readonly supersedes: readonly Hash[]
}

/** Throws E_SHARD where one of them is damaged, or is missing that another one needs. */
export const besideShard = async (disk: Disk, folder: string, outcome: Hash): Promise<Beside> => {
  const [made, record, votes, names] = await Promise.all(
    ['outcome', 'record', 'votes', 'supersedes'].map((part) => disk.read(`${folder}/${part}`)),
  )
  if (made !== undefined && hashOf(made) !== outcome) throw damaged(`${folder}/outcome`)
  const ready = votes === undefined ? [] : decoded(`${folder}/votes`, () => parseVotes(votes))
  const kept = record === undefined ? undefined : decoded(`${folder}/record`, () => recordCodec.decode(record))
  if (votes !== undefined) {
    if (made === undefined) throw notThere(`${folder}/outcome`)
    if (record === undefined) throw notThere(`${folder}/record`)
    decoded(`${folder}: record or votes`, () => refuseOtherVotes(ready, hashOf(record)))
  }
  const opened = made === undefined ? undefined : decoded(`${folder}/outcome`, () => outcomeCodec.decode(made))
  // Without it nobody could tell which of two successors of one record comes after the other.
  if (opened !== undefined && opened.base !== null && names === undefined) throw notThere(`${folder}/supersedes`)
  return {
    made: opened,
    record: kept,
    votes: ready,
    supersedes: names === undefined ? [] : decoded(`${folder}/supersedes`, () => supersedesFileCodec.decode(names)),
  }
}

const orNothing = async <T>(read: () => Promise<T | undefined>): Promise<T | undefined> => {
  try {
    return await read()
  } catch (error) {
    if (error instanceof DecodeError || error instanceof QuorateError) return undefined
    throw error
  }
}

/** The same of an epoch one of whose files is damaged: each that is whole by itself. */
export const readableAt = async (disk: Disk, folder: string, outcome: Hash): Promise<Omit<Beside, 'votes'>> => {
  const whole = <T>(part: string, decode: (bytes: Uint8Array) => T | undefined): Promise<T | undefined> =>
    orNothing(async () => {
      const bytes = await disk.read(`${folder}/${part}`)
      return bytes === undefined ? undefined : decode(bytes)
    })
  return {
    made: await whole('outcome', (bytes) => (hashOf(bytes) === outcome ? outcomeCodec.decode(bytes) : undefined)),
    record: await whole('record', (bytes) => {
      const record = recordCodec.decode(bytes)
      return record.outcome === outcome ? record : undefined
    }),
    supersedes: (await whole('supersedes', supersedesFileCodec.decode)) ?? [],
  }
}
