import type { KeyBase } from '../ceremony/definition/lint-key.ts'
import { definitionPath } from '../ceremony/paths.ts'
import { openRoot } from '../host/disk.ts'
import type { Hash, SiteId } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import type { Disk } from '../lib/ports.ts'
import { ceremonyId, type Definition, recordKind } from '../records/definition.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import { readDefinition } from '../records/definition-yaml.ts'
import { recordCodec } from '../records/outcome.ts'
import { type StoredEpoch, shardStore } from '../shards/store.ts'

/** A key of which this home holds a share; nothing secret. */
export interface KeyShown {
  /** Hash of its keygen outcome: what identifies it. */
  readonly key: Hash
  /** A label; two keys may have the same. */
  readonly name: string
  readonly protocol: ProtocolId
  readonly threshold: number
  readonly sites: readonly SiteId[]
  /** Place of this site's share. */
  readonly index: number
  readonly epoch: number
  /** `staged`: sealed here, not yet voted for by all; not usable. */
  readonly state: StoredEpoch['state']
  /** In the curve's own encoding; null while only staged. */
  readonly publicKey: string | null
  /** The record that the next ceremony builds on. */
  readonly record: Hash | null
}

const definitionOf = async (disk: Disk, ceremony: Hash): Promise<Definition | undefined> => {
  const bytes = await disk.read(definitionPath(ceremony))
  if (bytes === undefined) return undefined
  const definition = await readDefinition(bytes)
  return recordKind(definition).makes === 'key' && ceremonyId(definition) === ceremony ? definition : undefined
}

interface Found {
  readonly shown: KeyShown
  readonly definition: Definition | undefined
}

const describe = async (disk: Disk, epoch: StoredEpoch): Promise<Found> => {
  const { key, core, state, made, record } = epoch
  const definition = made === undefined ? undefined : await definitionOf(disk, made.ceremony)
  const shown = {
    key,
    name: definition?.name ?? '',
    protocol: core.protocol,
    threshold: core.threshold,
    sites: definition?.sites.map((site) => site.name) ?? [],
    index: core.index,
    epoch: core.epoch,
    state,
    publicKey: made?.publicKey ?? null,
    record: record === undefined ? null : hashOf(recordCodec.encode(record)),
  }
  return { shown, definition }
}

/** The newest epoch of each key that is usable; of a key without one, what is staged. */
const newest = async (folder: string): Promise<readonly Found[]> => {
  const disk = await openRoot(folder)
  const epochs = new Map<Hash, StoredEpoch>()
  for (const one of await shardStore(disk).list()) {
    const before = epochs.get(one.key)
    if (before === undefined || one.state === 'installed' || before.state === 'staged') epochs.set(one.key, one)
  }
  return Promise.all([...epochs.values()].map((epoch) => describe(disk, epoch)))
}

export const listKeys = async (folder: string): Promise<readonly KeyShown[]> =>
  (await newest(folder)).map(({ shown }) => shown)

/**
 * `wanted`: the id, at least eight digits from its beginning, or a name. The whole id comes before any name: a definition
 * names its key so, and a planner may have called another key by it. Anything else must fit one key alone. Throws
 * E_NOT_FOUND.
 */
const find = async (folder: string, wanted: string): Promise<Found> => {
  const keys = await newest(folder)
  const exact = keys.filter(({ shown }) => shown.key === wanted)
  const found =
    exact.length > 0
      ? exact
      : keys.filter(({ shown: { name, key } }) => name === wanted || (wanted.length >= 8 && key.startsWith(wanted)))
  const [one, ...more] = found
  if (one !== undefined && more.length === 0) return one
  throw new QuorateError(
    'E_NOT_FOUND',
    one === undefined ? 'this home holds no share of such a key' : `${found.length} keys of this home are called so`,
    one === undefined ? 'quorate keys list shows all' : 'name it by its id: quorate keys list',
  )
}

export const showKey = async (folder: string, wanted: string): Promise<KeyShown> => (await find(folder, wanted)).shown

/** Returns the record that a definition with this key builds on. Throws E_NOT_FOUND where it is not usable yet. */
export const keyBase = async (folder: string, wanted: string): Promise<KeyBase & { readonly publicKey: string }> => {
  const { shown, definition } = await find(folder, wanted)
  const { key, record, publicKey, state } = shown
  if (state === 'installed' && record !== null && publicKey !== null && definition !== undefined)
    return { key, record, definition, publicKey }
  throw new QuorateError(
    'E_NOT_FOUND',
    'this key is not usable here yet',
    'finish its keygen first: quorate keygen join, with the definition that made it',
  )
}
