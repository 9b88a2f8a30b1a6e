import type { Hash } from '../lib/brand.ts'
import { equal } from '../lib/bytes.ts'
import { durableFolder, writeDurable } from '../lib/durable.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Disk } from '../lib/ports.ts'
import { DecodeError } from '../records/codec.ts'
import { envelopeHash, type SealedShard, shardFileCodec, storesFileCodec } from '../records/sealed-shard.ts'
import { storeFault } from './stores/fault.ts'
import type { Store } from './stores/port.ts'

/** The two objects of an envelope: ciphertext, which may be locked, and wrapped pieces, which go when the share goes. */
const parts = ['shard', 'slots'] as const
type Part = (typeof parts)[number]

const objectsOf = ({ core, slots, ciphertext }: SealedShard): Readonly<Record<Part, Uint8Array>> => ({
  shard: shardFileCodec.encode([core, ciphertext]),
  slots,
})

/** Stores and envelopes of one epoch that were ever noted in the home. */
interface Noted {
  readonly stores: readonly string[]
  readonly envelopes: readonly Hash[]
}

const NOTHING: Noted = { stores: [], envelopes: [] }

/** Does all, and throws the first fault then: one store that is gone does not keep the others from being asked. */
const throughAll = async <T>(all: readonly T[], act: (one: T) => Promise<void>): Promise<void> => {
  const ends = await Promise.allSettled(all.map(act))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/** The replicas of one site's shares, wherever they lie. */
export interface Replicas {
  /** Puts an envelope into every store of the card, and reads it back. Throws E_STORE when every store has answered or failed. */
  put(key: Hash, outcome: Hash, sealed: SealedShard): Promise<void>
  /** The same in one store, where other bytes, or none, may lie under its names. */
  mend(store: Store, key: Hash, outcome: Hash, sealed: SealedShard): Promise<void>
  /**
   * Removes the wrapped pieces of an epoch, `but` those of one envelope, from every store that ever had them, and their
   * ciphertext where no lock keeps it. Throws E_STORE where a piece stays, or may stay.
   */
  remove(key: Hash, outcome: Hash, but?: Hash): Promise<void>
  /** Removes these envelopes from one store. Throws E_STORE where a wrapped piece stays. */
  removeIn(store: Store, key: Hash, outcome: Hash, envelopes: readonly Hash[]): Promise<void>
  /** Throws E_STORE where a store takes nothing, or lets nothing go. */
  probe(): Promise<void>
  /** An object's name: its envelope's hash is in it, so that no two envelopes meet in one. */
  nameOf(key: Hash, outcome: Hash, envelope: Hash, part: Part): string
  /** Envelopes of an epoch whose wrapped pieces a store shows. */
  envelopesIn(store: Store, key: Hash, outcome: Hash): Promise<readonly Hash[]>
  /** The stores of the card, and those that ever had an envelope of this epoch. */
  storesOf(key: Hash, outcome: Hash): Promise<readonly string[]>
  /** False where nothing was ever put anywhere, as far as this home knows. */
  isNoted(key: Hash, outcome: Hash): Promise<boolean>
}

/** `owner`: of a store that two sites name each keeps its own. `named`: the stores of its card. */
export const replicasOf = (
  disk: Disk,
  owner: Hash,
  named: readonly string[],
  open: (uri: string) => Promise<Store>,
): Replicas => {
  const fileOf = (key: Hash, outcome: Hash): string => `keys/${key}/${outcome}/stores`
  const folderOf = (key: Hash, outcome: Hash): string => `${key}/${outcome}/${owner}`
  const nameOf = (key: Hash, outcome: Hash, envelope: Hash, part: Part): string =>
    `${folderOf(key, outcome)}/${envelope}/${part}`

  /** Of a damaged file, nothing: the stores of the card, and what they show, are looked through all the same. */
  const noted = async (key: Hash, outcome: Hash): Promise<Noted> => {
    const bytes = await disk.read(fileOf(key, outcome))
    if (bytes === undefined) return NOTHING
    try {
      const [stores, envelopes] = storesFileCodec.decode(bytes)
      return { stores, envelopes }
    } catch (error) {
      if (error instanceof DecodeError) return NOTHING
      throw error
    }
  }

  /** Durable before anything is put there: a wrapped piece that nobody knows of would lie there for ever. */
  const note = async (key: Hash, outcome: Hash, stores: readonly string[], envelope: Hash): Promise<void> => {
    const before = await noted(key, outcome)
    const all = [...new Set([...before.stores, ...stores])].sort()
    const envelopes = [...new Set([...before.envelopes, envelope])].sort()
    if (all.length === before.stores.length && envelopes.length === before.envelopes.length) return
    await durableFolder(disk, `keys/${key}/${outcome}`)
    await writeDurable(disk, fileOf(key, outcome), storesFileCodec.encode([all, envelopes]))
  }

  const putIn = async (store: Store, key: Hash, outcome: Hash, sealed: SealedShard): Promise<void> => {
    const bytes = objectsOf(sealed)
    for (const part of parts) {
      const name = nameOf(key, outcome, envelopeHash(sealed), part)
      await store.create(name, bytes[part])
      const found = await store.read(name)
      if (found === undefined || !equal(found.bytes, bytes[part]))
        throw storeFault('damaged', store.uri, `${name} is another object than was put there`)
    }
  }

  const envelopesIn = async (store: Store, key: Hash, outcome: Hash): Promise<readonly Hash[]> => {
    const folder = `${folderOf(key, outcome)}/`
    const names = (await store.list(folderOf(key, outcome))).filter((name) => name.endsWith('/slots'))
    const hashes = names.map((name) => name.slice(folder.length, -'/slots'.length))
    return [...new Set(hashes)].filter((name): name is Hash => /^[0-9a-f]{64}$/.test(name))
  }

  /** Wrapped pieces first. Those that are noted are removed also where the store shows them no more: versions may lie there. */
  const removeIn = async (store: Store, key: Hash, outcome: Hash, envelopes: readonly Hash[]): Promise<void> => {
    for (const part of ['slots', 'shard'] as const)
      for (const envelope of envelopes) {
        const name = nameOf(key, outcome, envelope, part)
        if ((await store.remove(name)) === 'kept' && part === 'slots')
          throw storeFault('locked', store.uri, `the wrapped pieces of a share that is destroyed, ${name}`)
      }
  }

  const remove = async (key: Hash, outcome: Hash, but?: Hash): Promise<void> => {
    const known = await noted(key, outcome)
    await throughAll([...new Set([...named, ...known.stores])], async (uri) => {
      const store = await open(uri)
      const shown = await envelopesIn(store, key, outcome)
      const all = [...new Set([...known.envelopes, ...shown])].filter((envelope) => envelope !== but)
      await removeIn(store, key, outcome, all)
    })
    const path = fileOf(key, outcome)
    if ((await disk.read(path)) === undefined) return
    if (but !== undefined) return writeDurable(disk, path, storesFileCodec.encode([[...known.stores], [but]]))
    // Nothing is there any more that a later call would have to look for.
    await disk.remove(path)
    await disk.syncFolder(`keys/${key}/${outcome}`)
  }

  return {
    nameOf,
    envelopesIn,
    remove,
    removeIn,
    async put(key, outcome, sealed) {
      if (named.length === 0) return
      await note(key, outcome, named, envelopeHash(sealed))
      await throughAll(named, async (uri) => putIn(await open(uri), key, outcome, sealed))
    },
    async mend(store, key, outcome, sealed) {
      await note(key, outcome, [store.uri], envelopeHash(sealed))
      for (const part of parts) {
        const name = nameOf(key, outcome, envelopeHash(sealed), part)
        const found = await store.read(name).catch((error: unknown) => {
          if (error instanceof QuorateError && error.details['store'] === 'damaged') return 'damaged' as const
          throw error
        })
        const isOther = found === 'damaged' || (found !== undefined && !equal(found.bytes, objectsOf(sealed)[part]))
        if (isOther) await store.remove(name)
      }
      await putIn(store, key, outcome, sealed)
    },
    probe: () =>
      throughAll(named, async (uri) => {
        const store = await open(uri)
        const name = `probe/${owner}`
        await store.create(name, new Uint8Array(32))
        if ((await store.remove(name)) === 'kept')
          throw storeFault('locked', uri, 'versions or a lock: no wrapped piece may lie there')
      }),
    async storesOf(key, outcome) {
      return [...new Set([...named, ...(await noted(key, outcome)).stores])]
    },
    async isNoted(key, outcome) {
      return (await disk.read(fileOf(key, outcome))) !== undefined
    },
  }
}
