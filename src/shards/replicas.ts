import type { Hash } from '../lib/brand.ts'
import { equal } from '../lib/bytes.ts'
import { durableFolder, writeDurable } from '../lib/durable.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Disk } from '../lib/ports.ts'
import {
  envelopeHash,
  type SealedShard,
  shardCoreCodec,
  shardFileCodec,
  storesFileCodec,
} from '../records/sealed-shard.ts'
import { decoded } from './damage.ts'
import { currentEnvelope } from './envelopes.ts'
import type { ShardStore } from './store.ts'
import { storeFault } from './stores/fault.ts'
import type { Store } from './stores/port.ts'

/** The two objects of an envelope: ciphertext, which may be locked, and wrapped pieces, which go when the share goes. */
const replicaParts = ['shard', 'slots'] as const
type Part = (typeof replicaParts)[number]

/** The objects of one epoch's envelopes lie below this name in each store. */
export const replicaFolder = (key: Hash, outcome: Hash): string => `${key}/${outcome}`

/** An object's name: its envelope's hash is in it, so that no two envelopes meet in one. */
export const replicaName = (key: Hash, outcome: Hash, envelope: Hash, part: Part): string =>
  `${replicaFolder(key, outcome)}/${envelope}/${part}`

const replicaBytes = ({ core, slots, ciphertext }: SealedShard): Readonly<Record<Part, Uint8Array>> => ({
  shard: shardFileCodec.encode([core, ciphertext]),
  slots,
})

/** The envelopes of an epoch that a store has anything of. */
export const envelopesIn = async (store: Store, key: Hash, outcome: Hash): Promise<readonly Hash[]> => {
  const folder = replicaFolder(key, outcome)
  const names = await store.list(folder)
  return [...new Set(names.map((name) => name.slice(folder.length + 1).split('/')[0] as Hash))].filter((name) =>
    /^[0-9a-f]{64}$/.test(name),
  )
}

/** In the home, beside the share. */
const storesFile = (key: Hash, outcome: Hash): string => `keys/${key}/${outcome}/stores`

/** Every store into which an envelope of an epoch was ever put, whatever the card says by now. Throws E_SHARD. */
export const storesEver = async (disk: Disk, key: Hash, outcome: Hash): Promise<readonly string[]> => {
  const path = storesFile(key, outcome)
  const bytes = await disk.read(path)
  return bytes === undefined ? [] : decoded(path, () => storesFileCodec.decode(bytes))
}

/** Durable before anything is put there: a wrapped piece in a store that nobody knows would lie there for ever. */
const noteStores = async (disk: Disk, key: Hash, outcome: Hash, uris: readonly string[]): Promise<void> => {
  const known = await storesEver(disk, key, outcome)
  const all = [...new Set([...known, ...uris])].sort()
  if (all.length === known.length) return
  await durableFolder(disk, `keys/${key}/${outcome}`)
  await writeDurable(disk, storesFile(key, outcome), storesFileCodec.encode(all))
}

/** Puts an object there, and reads it back. Throws E_STORE where other bytes have that name, or come back. */
const putObject = async (store: Store, name: string, bytes: Uint8Array): Promise<void> => {
  await store.create(name, bytes)
  const found = await store.read(name)
  if (found === undefined || !equal(found.bytes, bytes))
    throw storeFault('damaged', store.uri, `${name} is another object than was put there`)
}

/** An envelope in one store: the wrapped pieces last, since without the ciphertext they are of no use. */
const putReplica = async (store: Store, key: Hash, outcome: Hash, sealed: SealedShard): Promise<void> => {
  const bytes = replicaBytes(sealed)
  const envelope = envelopeHash(sealed)
  for (const part of replicaParts) await putObject(store, replicaName(key, outcome, envelope, part), bytes[part])
}

/** The same where other bytes, or none, may lie under its names. */
export const mendReplica = async (
  disk: Disk,
  store: Store,
  key: Hash,
  outcome: Hash,
  sealed: SealedShard,
): Promise<void> => {
  await noteStores(disk, key, outcome, [store.uri])
  for (const part of replicaParts) {
    const name = replicaName(key, outcome, envelopeHash(sealed), part)
    const found = await store.read(name).catch((error: unknown) => {
      if (error instanceof QuorateError && error.details['store'] === 'damaged') return undefined
      throw error
    })
    if (found === undefined || !equal(found.bytes, replicaBytes(sealed)[part])) await store.remove(name)
  }
  await putReplica(store, key, outcome, sealed)
}

/**
 * Removes the objects of an epoch, `but` those of one envelope: wrapped pieces first. Ciphertext may stay, where it is
 * locked: it opens for nobody. Throws E_STORE where a wrapped piece stays.
 */
const removeReplicas = async (store: Store, folder: string, but?: Hash): Promise<void> => {
  const names = (await store.list(folder)).filter((name) => but === undefined || !name.startsWith(`${folder}/${but}/`))
  for (const part of ['slots', 'shard'] as const)
    for (const name of names.filter((one) => one.endsWith(`/${part}`)))
      if ((await store.remove(name)) === 'kept' && part === 'slots')
        throw storeFault('locked', store.uri, `the wrapped pieces of a share that is destroyed, ${name}`)
}

/** Removes what a store has of envelopes that were replaced. Throws E_STORE. */
export const removeOlder = (store: Store, key: Hash, outcome: Hash, envelope: Hash): Promise<void> =>
  removeReplicas(store, replicaFolder(key, outcome), envelope)

/** Epochs whose share is destroyed here, and whose wrapped pieces may lie in a store still. */
const leftOver = async (disk: Disk, key: Hash): Promise<readonly Hash[]> => {
  const found: Hash[] = []
  for (const name of await disk.list(`keys/${key}`)) {
    const outcome = name as Hash
    if (
      (await disk.read(`keys/${key}/${outcome}/retired`)) !== undefined &&
      (await disk.read(storesFile(key, outcome))) !== undefined
    )
      found.push(outcome)
  }
  return found
}

/**
 * Shards of a home, with a replica of each in every store that the site's card names. A share that is sealed lies in all of
 * them before anybody votes for it; one that is destroyed is said to be so only when its wrapped pieces are gone from all
 * that ever had them. To open a share no store is asked.
 */
export const replicated = (
  inner: ShardStore,
  disk: Disk,
  uris: readonly string[],
  open: (uri: string) => Promise<Store>,
): ShardStore => {
  const put = async (key: Hash, outcome: Hash, sealed: SealedShard): Promise<void> => {
    if (uris.length === 0) return
    await noteStores(disk, key, outcome, uris)
    await Promise.all(uris.map(async (uri) => putReplica(await open(uri), key, outcome, sealed)))
  }

  const remove = async (key: Hash, outcome: Hash, but?: Hash): Promise<void> => {
    for (const uri of await storesEver(disk, key, outcome))
      await removeReplicas(await open(uri), replicaFolder(key, outcome), but)
    // Nothing is there any more that a later call would have to look for.
    if (but === undefined && (await disk.read(storesFile(key, outcome))) !== undefined) {
      await disk.remove(storesFile(key, outcome))
      await disk.syncFolder(`keys/${key}/${outcome}`)
    }
  }

  return {
    ...inner,
    async refuseUnreachable() {
      await Promise.all(uris.map(async (uri) => (await open(uri)).list('reachable')))
    },
    async stage(sealed, made, supersedes) {
      await inner.stage(sealed, made, supersedes)
      const { key, outcome } = shardCoreCodec.decode(sealed.core)
      await put(key, outcome, sealed)
    },
    async stageRewrap(key, outcome, ceremony, sealed) {
      await inner.stageRewrap(key, outcome, ceremony, sealed)
      await put(key, outcome, sealed)
    },
    async dropStaged(key, outcome) {
      await remove(key, outcome)
      await inner.dropStaged(key, outcome)
    },
    async dropRewrap(key, ceremony) {
      for (const { outcome, state, envelope } of (await inner.ofKey(key)).whole) {
        const files = await disk.list(`keys/${key}/${outcome}`)
        if (state !== 'installed' || !files.includes(`slots-${ceremony}`)) continue
        // Once it counts it is not dropped.
        if ((await currentEnvelope(disk, `keys/${key}/${outcome}`))?.ceremony !== ceremony)
          await remove(key, outcome, envelope)
      }
      await inner.dropRewrap(key, ceremony)
    },
    async replaceEnvelope(key, outcome, ceremony, envelope) {
      await inner.replaceEnvelope(key, outcome, ceremony, envelope)
      await remove(key, outcome, envelope)
    },
    async retire(key, outcome, by) {
      await inner.retire(key, outcome, by)
      for (const one of await leftOver(disk, key)) await remove(key, one)
    },
  }
}
