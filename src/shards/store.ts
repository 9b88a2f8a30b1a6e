import type { KmsKey } from '../kms/port.ts'
import type { Hash } from '../lib/brand.ts'
import { equal } from '../lib/bytes.ts'
import { durableFolder, writeDurable } from '../lib/durable.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import type { Disk } from '../lib/ports.ts'
import type { Secret } from '../lib/secret.ts'
import { DecodeError } from '../records/codec.ts'
import { type EpochRecord, type Outcome, outcomeCodec, recordCodec } from '../records/outcome.ts'
import {
  envelopeHash,
  retiredFileCodec,
  type SealedShard,
  type ShardCore,
  shardCoreCodec,
  shardFileCodec,
  supersedesFileCodec,
} from '../records/sealed-shard.ts'
import { besideShard, readableAt } from './beside.ts'
import { damaged, damagedShare, decoded, destroyedShare, notThere } from './damage.ts'
import {
  currentEnvelope,
  destroyEnvelopes,
  envelopeAt,
  findEnvelope,
  missingEnvelope,
  removeEnvelope,
  replaceEnvelopes,
  writeEnvelope,
} from './envelopes.ts'
import { apart, type DamagedEpoch, type Epochs, inOrder, type StoredEpoch } from './epochs.ts'
import { recordHashOf, refuseRival, superseded, supersededIn } from './rival.ts'
import { openShard } from './seal.ts'
import { parseVotes, votesText } from './votes-file.ts'

/** keys/KEY/OUTCOME/{shard, slots, outcome, supersedes, record, votes, retired}, and after a rewrap envelopes.ts: KEY is the hash of the keygen outcome. One writer. */
export interface ShardStore {
  /**
   * A share of the epoch `made`, whose definition names the records that it `supersedes`. Durable when it resolves. The
   * same bytes again are no error; others throw E_EXISTS, and E_NOT_FINISHED is thrown where a share of another ceremony
   * is here that it must not lie beside (see refuseRival).
   */
  stage(sealed: SealedShard, made: Outcome, supersedes?: readonly Hash[]): Promise<void>
  /** Keeps the record that the ready vote is for, beside the staged shard. Throws as `stage` does. */
  keepRecord(key: Hash, made: Outcome, record: EpochRecord): Promise<void>
  /** The ready set makes the epoch usable. Needs shard and record. Throws E_CONSUMED where one that supersedes it is in use. */
  install(key: Hash, outcome: Hash, votes: readonly Uint8Array[]): Promise<void>
  /**
   * Destroys the share of an installed epoch that the record `by` has replaced, also one of whose files is damaged; what it
   * was stays. Once it has begun it is finished by the next call, whatever stops this one.
   */
  retire(key: Hash, outcome: Hash, by: Hash): Promise<void>
  /** Removes what was staged and never installed. The caller knows that no vote was given for it. */
  dropStaged(key: Hash, outcome: Hash): Promise<void>
  /** Writes the envelope of a rewrap beside the one that opens the share. Throws E_SHARD where the epoch is not in use. */
  stageRewrap(key: Hash, outcome: Hash, ceremony: Hash, sealed: SealedShard): Promise<void>
  /** Removes what a rewrap wrote that came to nothing. */
  dropRewrap(key: Hash, ceremony: Hash): Promise<void>
  /**
   * From here on the envelope of this rewrap opens the share, and all others are destroyed. Once it has begun it is finished
   * by the next call. Of a retired epoch there is nothing left to do.
   */
  replaceEnvelope(key: Hash, outcome: Hash, ceremony: Hash, envelope: Hash): Promise<void>
  /**
   * The share, from disk through the KMS. `expected`: the envelope's hash in the record, or in the newest rewrap of it.
   * `slots`: as many as are enough open it, or each has to.
   * Throws E_SHARD and what the KMS throws.
   */
  reopen(key: Hash, outcome: Hash, expected: Hash, keys: readonly KmsKey[], slots?: 'enough' | 'all'): Promise<Secret>
  /** undefined where nothing whole is there. Throws E_SHARD where it is damaged. */
  read(key: Hash, outcome: Hash): Promise<StoredEpoch | undefined>
  /** All that is whole. */
  list(): Promise<readonly StoredEpoch[]>
  /** All that is here, to be shown. */
  all(): Promise<Epochs>
  /** All of one key, to decide by. Throws E_DISK where a file could not be read: the next reading may show what it holds. */
  ofKey(key: Hash): Promise<Epochs>
}

const ROOT = 'keys'
const isHash = (name: string): name is Hash => /^[0-9a-f]{64}$/.test(name)

export const shardStore = (disk: Disk): ShardStore => {
  const folderOf = (key: Hash, outcome: Hash): string => `${ROOT}/${key}/${outcome}`

  const read = async (key: Hash, outcome: Hash): Promise<StoredEpoch | undefined> => {
    const folder = folderOf(key, outcome)
    const gone = await disk.read(`${folder}/retired`)
    if (gone !== undefined) return retiredAt(key, outcome, gone)
    const current = await currentEnvelope(disk, folder)
    const sealed = await envelopeAt(disk, folder, current?.ceremony)
    if (sealed === undefined) {
      // Half of a staged shard is what a crash leaves; an installed one was whole.
      if ((await disk.read(`${folder}/votes`)) !== undefined) throw await missingEnvelope(disk, folder)
      return undefined
    }
    const core = decoded(`${folder}/shard`, () => shardCoreCodec.decode(sealed.core))
    if (core.key !== key || core.outcome !== outcome) throw damaged(`${folder}/shard`)
    const beside = await besideShard(disk, folder, outcome)
    const { made } = beside
    if (made === undefined) {
      // An older version kept it with the record alone: nobody votes any more for what it only staged.
      if (beside.record === undefined) return undefined
      throw notThere(`${folder}/outcome`)
    }
    const envelope = envelopeHash(sealed)
    const named = current?.envelope ?? beside.record?.envelopes[core.index - 1]
    if (beside.record !== undefined && named !== envelope)
      throw damagedShare(`${folder}: shard or slots is damaged, for the record names another envelope`)
    return { key, outcome, state: beside.votes.length === 0 ? 'staged' : 'installed', core, envelope, ...beside, made }
  }

  const retiredAt = async (key: Hash, outcome: Hash, file: Uint8Array): Promise<StoredEpoch> => {
    const folder = folderOf(key, outcome)
    const path = `${folder}/retired`
    const core = decoded(path, () => shardCoreCodec.decode(retiredFileCodec.decode(file)[0]))
    if (core.key !== key || core.outcome !== outcome) throw damaged(path)
    const { made, record, votes, supersedes } = await besideShard(disk, folder, outcome)
    const envelope = record?.envelopes[core.index - 1]
    if (made === undefined || envelope === undefined || votes.length === 0) throw notThere(`${folder}/votes`)
    return { key, outcome, state: 'retired', core, envelope, made, record, votes, supersedes }
  }

  const epochAt = async (key: Hash, outcome: Hash): Promise<StoredEpoch | DamagedEpoch | undefined> => {
    try {
      return await read(key, outcome)
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      return { key, outcome, ...(await readableAt(disk, folderOf(key, outcome), outcome)), fault: error }
    }
  }

  /** The fault where something else stands in the place of the key's folder. */
  const outcomesOf = async (key: Hash): Promise<readonly Hash[] | QuorateError> => {
    try {
      return (await disk.list(`${ROOT}/${key}`)).filter(isHash)
    } catch (error) {
      if (error instanceof QuorateError) return error
      throw error
    }
  }

  const foundOf = async (key: Hash): Promise<readonly (StoredEpoch | DamagedEpoch)[]> => {
    const outcomes = await outcomesOf(key)
    if (outcomes instanceof QuorateError)
      return [{ key, outcome: key, made: undefined, record: undefined, supersedes: [], fault: outcomes }]
    const epochs = await Promise.all(outcomes.map((outcome) => epochAt(key, outcome)))
    return inOrder(epochs.filter((one) => one !== undefined))
  }

  const decidedBy = async (key: Hash): Promise<readonly (StoredEpoch | DamagedEpoch)[]> => {
    const found = await foundOf(key)
    for (const one of found) if ('fault' in one && one.fault.code === 'E_DISK') throw one.fault
    return found
  }

  const all = async (): Promise<Epochs> => {
    const found: (StoredEpoch | DamagedEpoch)[] = []
    for (const key of (await disk.list(ROOT)).filter(isHash)) found.push(...(await foundOf(key)))
    return apart(found)
  }

  const present = async (key: Hash, outcome: Hash): Promise<StoredEpoch> => {
    const found = await read(key, outcome)
    if (found === undefined) throw await missingEnvelope(disk, folderOf(key, outcome))
    return found
  }

  /** A file that is written once: the same bytes again are no error. */
  const once = async (path: string, bytes: Uint8Array): Promise<void> => {
    const found = await disk.read(path)
    if (found === undefined) return writeDurable(disk, path, bytes)
    if (!equal(found, bytes))
      throw new QuorateError('E_EXISTS', `${path} holds something else`, 'nothing was overwritten; look at keys list')
  }

  let writing: Promise<void> = Promise.resolve()
  /** One after the other: of two ceremonies that replace one record, the second must see the first. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const next = writing.catch(() => undefined).then(work)
    writing = next
    return next
  }

  const stage = async (sealed: SealedShard, made: Outcome, supersedes: readonly Hash[] = []): Promise<void> => {
    const { key, outcome, kind } = shardCoreCodec.decode(sealed.core)
    const bytes = outcomeCodec.encode(made)
    if (hashOf(bytes) !== outcome) throw new TypeError('a shard of another outcome')
    refuseRival(await decidedBy(key), { ...made, kind }, supersedes)
    const folder = folderOf(key, outcome)
    await durableFolder(disk, folder)
    // Half of an earlier sealing, which a crash left, opens nothing without the other half.
    if ((await envelopeAt(disk, folder, undefined)) === undefined)
      for (const part of ['slots', 'shard']) await disk.remove(`${folder}/${part}`)
    await once(`${folder}/outcome`, bytes)
    if (made.base !== null) await once(`${folder}/supersedes`, supersedesFileCodec.encode([...supersedes]))
    await once(`${folder}/slots`, sealed.slots)
    await once(`${folder}/shard`, shardFileCodec.encode([sealed.core, sealed.ciphertext]))
  }

  const keep = async (key: Hash, made: Outcome, record: EpochRecord): Promise<void> => {
    const epochs = await decidedBy(key)
    const outcome = hashOf(outcomeCodec.encode(made))
    const own = epochs.find((one) => one.outcome === outcome)
    const kind = own !== undefined && 'core' in own ? own.core.kind : undefined
    refuseRival(epochs, { ...made, kind }, own?.supersedes ?? [])
    const found = await present(key, outcome)
    if (record.outcome !== outcome || !record.envelopes.includes(found.envelope))
      throw damaged(folderOf(key, outcome), new DecodeError('the record does not name this envelope'))
    await once(`${folderOf(key, outcome)}/record`, recordCodec.encode(record))
  }

  const install = async (key: Hash, outcome: Hash, votes: readonly Uint8Array[]): Promise<void> => {
    const found = await present(key, outcome)
    const record = recordHashOf(found)
    if (record === undefined) throw new TypeError('an epoch is installed after its record is kept')
    if (supersededIn(await decidedBy(key)).has(record)) throw superseded()
    const bytes = votesText(votes)
    parseVotes(bytes)
    await once(`${folderOf(key, outcome)}/votes`, bytes)
  }

  /** Words of an epoch that go beside its destroyed share; undefined where a damaged file hides them. */
  const coreOf = async (key: Hash, outcome: Hash): Promise<ShardCore | undefined> => {
    try {
      const { state, core } = await present(key, outcome)
      if (state !== 'installed') throw new TypeError('an epoch that was never used is not retired but dropped')
      return core
    } catch (error) {
      if (error instanceof QuorateError && error.code === 'E_SHARD') return undefined
      throw error
    }
  }

  return {
    read,
    stage: (...given) => inTurn(() => stage(...given)),
    keepRecord: (...given) => inTurn(() => keep(...given)),
    // In turn, too: no new envelope of the share is written behind its back.
    retire: (key, outcome, by) =>
      inTurn(async () => {
        const folder = folderOf(key, outcome)
        if ((await disk.read(`${folder}/retired`)) === undefined) {
          const core = await coreOf(key, outcome)
          if (core !== undefined)
            await writeDurable(disk, `${folder}/retired`, retiredFileCodec.encode([shardCoreCodec.encode(core), by]))
        }
        await destroyEnvelopes(disk, folder)
      }),
    install: (...given) => inTurn(() => install(...given)),
    async dropStaged(key, outcome) {
      const folder = folderOf(key, outcome)
      if ((await disk.read(`${folder}/votes`)) !== undefined)
        throw new TypeError('an installed epoch is not dropped but retired')
      // Wrapped pieces first: without them the ciphertext opens for nobody.
      for (const part of ['slots', 'shard', 'outcome', 'supersedes', 'record']) {
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
    async reopen(key, outcome, expected, keys, slots) {
      const folder = folderOf(key, outcome)
      const current = await currentEnvelope(disk, folder)
      const sealed = (await findEnvelope(disk, folder, expected)) ?? (await envelopeAt(disk, folder, current?.ceremony))
      if ((await disk.read(`${folder}/retired`)) !== undefined) throw destroyedShare()
      if (sealed === undefined) throw await missingEnvelope(disk, folder)
      return openShard(sealed, expected, keys, slots)
    },
    stageRewrap: (key, outcome, ceremony, sealed) =>
      inTurn(async () => {
        const { state, core } = await present(key, outcome)
        if (state === 'retired') throw destroyedShare()
        if (state !== 'installed') throw new TypeError('an epoch is sealed anew after it is installed')
        await writeEnvelope(disk, folderOf(key, outcome), ceremony, sealed, core)
      }),
    dropRewrap: (key, ceremony) =>
      inTurn(async () => {
        for (const outcome of (await disk.list(`${ROOT}/${key}`)).filter(isHash)) {
          const folder = folderOf(key, outcome)
          if ((await currentEnvelope(disk, folder))?.ceremony !== ceremony) await removeEnvelope(disk, folder, ceremony)
        }
      }),
    replaceEnvelope: (key, outcome, ceremony, envelope) =>
      inTurn(async () => {
        const folder = folderOf(key, outcome)
        if ((await disk.read(`${folder}/retired`)) === undefined)
          await replaceEnvelopes(disk, folder, { ceremony, envelope })
      }),
    all,
    async list() {
      return (await all()).whole
    },
    async ofKey(key) {
      return apart(await decidedBy(key))
    },
  }
}
