import type { Hash } from '../lib/brand.ts'
import { equal } from '../lib/bytes.ts'
import { writeDurable } from '../lib/durable.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Disk } from '../lib/ports.ts'
import {
  envelopeFileCodec,
  envelopeHash,
  type SealedShard,
  type ShardCore,
  shardCoreCodec,
  shardFileCodec,
} from '../records/sealed-shard.ts'
import { damagedShare, decoded, notThere } from './damage.ts'

/**
 * The envelopes in the folder of one epoch. `shard` and `slots` hold the one that the epoch was made with; beside them
 * lie those of rewraps, each under the id of its ceremony. The file `envelope` says which one opens the share since.
 */
type Made = Hash | undefined

/** The envelope that a rewrap put in the place of the one before. */
interface Current {
  readonly ceremony: Hash
  readonly envelope: Hash
}

const filesOf = (folder: string, made: Made) =>
  made === undefined
    ? { slots: `${folder}/slots`, shard: `${folder}/shard` }
    : { slots: `${folder}/slots-${made}`, shard: `${folder}/shard-${made}` }

const PAIR = /^(slots|shard)(?:-([0-9a-f]{64}))?(?:\.new)?$/

/** undefined where no rewrap has replaced the first one. Throws E_SHARD where the file is damaged. */
export const currentEnvelope = async (disk: Disk, folder: string): Promise<Current | undefined> => {
  const path = `${folder}/envelope`
  const bytes = await disk.read(path)
  if (bytes === undefined) return undefined
  const [ceremony, envelope] = decoded(path, () => envelopeFileCodec.decode(bytes))
  return { ceremony, envelope }
}

/** undefined where one of its two files is missing. Throws E_SHARD where one is damaged. */
export const envelopeAt = async (disk: Disk, folder: string, made: Made): Promise<SealedShard | undefined> => {
  const paths = filesOf(folder, made)
  const [file, slots] = [await disk.read(paths.shard), await disk.read(paths.slots)]
  if (file === undefined || slots === undefined) return undefined
  const [core, ciphertext] = decoded(paths.shard, () => shardFileCodec.decode(file))
  return { core, slots, ciphertext }
}

/** The fault of an envelope one of whose files is missing. */
export const missingEnvelope = async (disk: Disk, folder: string): Promise<Error> => {
  const { shard, slots } = filesOf(folder, (await currentEnvelope(disk, folder))?.ceremony)
  for (const path of [shard, slots]) if ((await disk.read(path)) === undefined) return notThere(path)
  return damagedShare(`no sealed shard in ${folder}`)
}

/** The envelope of this hash, whichever of them it is; undefined: none is. One that is damaged and another hides nothing. Throws E_DISK. */
export const findEnvelope = async (disk: Disk, folder: string, wanted: Hash): Promise<SealedShard | undefined> => {
  return (await envelopesAt(disk, folder)).find((one) => envelopeHash(one) === wanted)
}

/** Destroys every envelope in a folder, `but` that of one rewrap, wrapped pieces first: without them none opens for anybody. */
export const destroyEnvelopes = async (disk: Disk, folder: string, but?: Hash): Promise<void> => {
  const found = (await disk.list(folder)).filter((name) => {
    const [matches, , made] = PAIR.exec(name) ?? []
    return matches !== undefined && (but === undefined || made !== but)
  })
  for (const part of ['slots', 'shard'])
    for (const name of found.filter((one) => one.startsWith(part))) await disk.remove(`${folder}/${name}`)
  await disk.syncFolder(folder)
}

/** May differ: where the keys lie, and how many they are. */
const place = { jurisdiction: '-', access: 'one-key' } as const

const sameBut = (a: ShardCore, b: ShardCore): boolean =>
  equal(shardCoreCodec.encode({ ...a, ...place }), shardCoreCodec.encode({ ...b, ...place }))

/**
 * Writes the envelope of a rewrap beside those that are there; one of the same ceremony that was never named makes room.
 * Of the words of a share those about its keys alone may be others. Durable when it resolves.
 */
export const writeEnvelope = async (
  disk: Disk,
  folder: string,
  ceremony: Hash,
  sealed: SealedShard,
  core: ShardCore,
): Promise<void> => {
  if (!sameBut(shardCoreCodec.decode(sealed.core), core)) throw new TypeError('a share under other words than before')
  await removeEnvelope(disk, folder, ceremony)
  const paths = filesOf(folder, ceremony)
  await writeDurable(disk, paths.slots, sealed.slots)
  await writeDurable(disk, paths.shard, shardFileCodec.encode([sealed.core, sealed.ciphertext]))
}

/** Removes the envelope of a rewrap that came to nothing. */
export const removeEnvelope = async (disk: Disk, folder: string, ceremony: Hash): Promise<void> => {
  const { slots, shard } = filesOf(folder, ceremony)
  const names = await disk.list(folder)
  const left = [slots, `${slots}.new`, shard, `${shard}.new`].filter((path) =>
    names.includes(path.slice(folder.length + 1)),
  )
  for (const path of left) await disk.remove(path)
  if (left.length > 0) await disk.syncFolder(folder)
}

/** Puts back the envelope that opens the share, which a replica has. The caller knows from the home that it is that one. */
export const restoreEnvelope = async (disk: Disk, folder: string, sealed: SealedShard): Promise<void> => {
  const paths = filesOf(folder, (await currentEnvelope(disk, folder))?.ceremony)
  await writeDurable(disk, paths.slots, sealed.slots)
  await writeDurable(disk, paths.shard, shardFileCodec.encode([sealed.core, sealed.ciphertext]))
}

/** Every envelope that is whole in the folder of an epoch: that of a rewrap which is not finished, too. */
export const envelopesAt = async (disk: Disk, folder: string): Promise<readonly SealedShard[]> => {
  const found: SealedShard[] = []
  const rewraps = (await disk.list(folder)).flatMap((name) => (PAIR.exec(name)?.[2] ?? []) as Hash)
  for (const made of new Set<Made>([undefined, ...rewraps])) {
    const one = await envelopeAt(disk, folder, made).catch((error: unknown) => {
      if (error instanceof QuorateError && error.code === 'E_SHARD') return undefined
      throw error
    })
    if (one !== undefined) found.push(one)
  }
  return found
}

/** Makes the envelope of a rewrap the one that counts, and destroys the others. Nothing goes before the new one is there. */
export const replaceEnvelopes = async (disk: Disk, folder: string, { ceremony, envelope }: Current): Promise<void> => {
  const found = await envelopeAt(disk, folder, ceremony)
  if (found === undefined || envelopeHash(found) !== envelope)
    throw damagedShare(`${folder}: shard or slots of the rewrap is missing or damaged`)
  if ((await currentEnvelope(disk, folder))?.envelope !== envelope)
    await writeDurable(disk, `${folder}/envelope`, envelopeFileCodec.encode([ceremony, envelope]))
  await destroyEnvelopes(disk, folder, ceremony)
}
