import type { KmsKey } from '../kms/port.ts'
import type { Hash } from '../lib/brand.ts'
import { equal, fromUtf8, utf8 } from '../lib/bytes.ts'
import { durableFolder, writeDurable } from '../lib/durable.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import type { Disk } from '../lib/ports.ts'
import type { Secret } from '../lib/secret.ts'
import { DecodeError } from '../records/codec.ts'
import { type EpochRecord, type Outcome, outcomeCodec, recordCodec } from '../records/outcome.ts'
import {
  envelopeHash,
  type SealedShard,
  type ShardCore,
  shardCoreCodec,
  shardFileCodec,
} from '../records/sealed-shard.ts'
import { openShard } from './seal.ts'

/** One generation of a key's shares in this home. `staged`: sealed and durable; `installed`: its ready set stands beside it. */
export interface StoredEpoch {
  readonly key: Hash
  readonly outcome: Hash
  readonly state: 'staged' | 'installed'
  readonly core: ShardCore
  readonly envelope: Hash
  readonly record: EpochRecord | undefined
  /** Public key and verifying shares; kept with the record. */
  readonly made: Outcome | undefined
  /** Envelope bytes of the ready votes; empty before `installed`. */
  readonly votes: readonly Uint8Array[]
}

/** keys/KEY/OUTCOME/{shard, slots, outcome, record, votes}: KEY is the hash of the keygen outcome. One writer. */
export interface ShardStore {
  /** Durable when it resolves. The same bytes again are no error; others throw E_EXISTS. */
  stage(sealed: SealedShard): Promise<void>
  /** Keeps the outcome and the record that the ready vote is for, beside their staged shard. */
  keepRecord(key: Hash, made: Outcome, record: EpochRecord): Promise<void>
  /** The ready set makes the epoch usable. Needs shard and record. */
  install(key: Hash, outcome: Hash, votes: readonly Uint8Array[]): Promise<void>
  /** Removes what was staged and never installed. The caller knows that no vote was given for it. */
  dropStaged(key: Hash, outcome: Hash): Promise<void>
  /** The share, from disk through the KMS. `expected`: the envelope's hash in the record. Throws E_SHARD and what the KMS throws. */
  reopen(key: Hash, outcome: Hash, expected: Hash, keys: readonly KmsKey[]): Promise<Secret>
  /** undefined where nothing whole is there. Throws E_SHARD where it is damaged. */
  read(key: Hash, outcome: Hash): Promise<StoredEpoch | undefined>
  /** All that is whole, by key and then by epoch number. */
  list(): Promise<readonly StoredEpoch[]>
}

const ROOT = 'keys'
const HASH = /^[0-9a-f]{64}$/
const MOST_VOTES = 64

const damaged = (path: string, cause?: unknown): QuorateError =>
  new QuorateError(
    'E_SHARD',
    `${path} is damaged`,
    'restore this home from its backup, or have the other sites repair this share',
    {},
    cause,
  )

const parsed = <T>(path: string, parse: () => T): T => {
  try {
    return parse()
  } catch (error) {
    if (error instanceof DecodeError || error instanceof TypeError || error instanceof RangeError)
      throw damaged(path, error)
    throw error
  }
}

/** DSSE envelopes are canonical JSON: none holds a line end. */
const votesText = (votes: readonly Uint8Array[]): Uint8Array =>
  utf8(votes.map((vote) => `${fromUtf8(vote)}\n`).join(''))
const parseVotes = (bytes: Uint8Array): readonly Uint8Array[] => {
  const lines = fromUtf8(bytes).split('\n')
  if (lines.pop() !== '' || lines.length > MOST_VOTES || lines.some((line) => line === ''))
    throw new RangeError('not votes, one a line')
  return lines.map(utf8)
}

export const shardStore = (disk: Disk): ShardStore => {
  const folderOf = (key: Hash, outcome: Hash): string => `${ROOT}/${key}/${outcome}`

  const sealedAt = async (folder: string): Promise<SealedShard | undefined> => {
    const [file, slots] = [await disk.read(`${folder}/shard`), await disk.read(`${folder}/slots`)]
    if (file === undefined || slots === undefined) return undefined
    const [core, ciphertext] = parsed(`${folder}/shard`, () => shardFileCodec.decode(file))
    return { core, slots, ciphertext }
  }

  const read = async (key: Hash, outcome: Hash): Promise<StoredEpoch | undefined> => {
    const folder = folderOf(key, outcome)
    const sealed = await sealedAt(folder)
    if (sealed === undefined) return undefined
    const core = parsed(`${folder}/shard`, () => shardCoreCodec.decode(sealed.core))
    if (core.key !== key || core.outcome !== outcome) throw damaged(`${folder}/shard`)
    const [made, record, votes] = await Promise.all(
      ['outcome', 'record', 'votes'].map((part) => disk.read(`${folder}/${part}`)),
    )
    if (made !== undefined && hashOf(made) !== outcome) throw damaged(`${folder}/outcome`)
    return {
      key,
      outcome,
      state: votes === undefined ? 'staged' : 'installed',
      core,
      envelope: envelopeHash(sealed),
      record: record === undefined ? undefined : parsed(`${folder}/record`, () => recordCodec.decode(record)),
      made: made === undefined ? undefined : parsed(`${folder}/outcome`, () => outcomeCodec.decode(made)),
      votes: votes === undefined ? [] : parsed(`${folder}/votes`, () => parseVotes(votes)),
    }
  }

  const missing = (key: Hash, outcome: Hash): QuorateError =>
    new QuorateError(
      'E_SHARD',
      `no sealed shard in ${folderOf(key, outcome)}`,
      'restore this home from its backup, or have the other sites repair this share',
    )
  const present = async (key: Hash, outcome: Hash): Promise<StoredEpoch> => {
    const found = await read(key, outcome)
    if (found === undefined) throw missing(key, outcome)
    return found
  }

  /** A file that is written once: the same bytes again are no error. */
  const once = async (path: string, bytes: Uint8Array): Promise<void> => {
    const found = await disk.read(path)
    if (found === undefined) return writeDurable(disk, path, bytes)
    if (!equal(found, bytes))
      throw new QuorateError('E_EXISTS', `${path} holds something else`, 'nothing was overwritten; look at keys list')
  }

  return {
    read,
    async stage(sealed) {
      const { key, outcome } = shardCoreCodec.decode(sealed.core)
      const folder = folderOf(key, outcome)
      await durableFolder(disk, folder)
      // Half of an earlier sealing, which a crash left, opens nothing without the other half.
      if ((await sealedAt(folder)) === undefined)
        for (const part of ['slots', 'shard']) await disk.remove(`${folder}/${part}`)
      await once(`${folder}/slots`, sealed.slots)
      await once(`${folder}/shard`, shardFileCodec.encode([sealed.core, sealed.ciphertext]))
    },
    async keepRecord(key, made, record) {
      const bytes = outcomeCodec.encode(made)
      const outcome = hashOf(bytes)
      const found = await present(key, outcome)
      if (record.outcome !== outcome || !record.envelopes.includes(found.envelope))
        throw damaged(folderOf(key, outcome), new DecodeError('the record does not name this envelope'))
      await once(`${folderOf(key, outcome)}/outcome`, bytes)
      await once(`${folderOf(key, outcome)}/record`, recordCodec.encode(record))
    },
    async install(key, outcome, votes) {
      const found = await present(key, outcome)
      if (found.record === undefined) throw new TypeError('an epoch is installed after its record is kept')
      const bytes = votesText(votes)
      parseVotes(bytes)
      await once(`${folderOf(key, outcome)}/votes`, bytes)
    },
    async dropStaged(key, outcome) {
      const folder = folderOf(key, outcome)
      if ((await disk.read(`${folder}/votes`)) !== undefined)
        throw new TypeError('an installed epoch is not dropped but retired')
      // Wrapped pieces first: without them the ciphertext opens for nobody.
      for (const part of ['slots', 'shard', 'outcome', 'record']) {
        await disk.remove(`${folder}/${part}`)
        await disk.remove(`${folder}/${part}.new`)
      }
      if ((await disk.list(`${ROOT}/${key}`)).includes(outcome)) {
        await disk.syncFolder(folder)
        await disk.remove(folder)
        await disk.syncFolder(`${ROOT}/${key}`)
      }
      if ((await disk.list(ROOT)).includes(key) && (await disk.list(`${ROOT}/${key}`)).length === 0) {
        await disk.remove(`${ROOT}/${key}`)
        await disk.syncFolder(ROOT)
      }
    },
    async reopen(key, outcome, expected, keys) {
      const sealed = await sealedAt(folderOf(key, outcome))
      if (sealed === undefined) throw missing(key, outcome)
      return openShard(sealed, expected, keys)
    },
    async list() {
      const all: StoredEpoch[] = []
      for (const key of await disk.list(ROOT)) {
        if (!HASH.test(key)) continue
        const epochs: StoredEpoch[] = []
        for (const outcome of await disk.list(`${ROOT}/${key}`)) {
          const found = HASH.test(outcome) ? await read(key as Hash, outcome as Hash) : undefined
          if (found !== undefined) epochs.push(found)
        }
        all.push(...epochs.sort((a, b) => a.core.epoch - b.core.epoch))
      }
      return all
    },
  }
}
