import type { KeyBase } from '../ceremony/definition/lint-key.ts'
import { entriesSince, rewrapsInUse } from '../ceremony/definition/rewraps.ts'
import { openRoot } from '../host/disk.ts'
import { openHome } from '../identity/home.ts'
import type { Hash, SiteId } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import type { Disk } from '../lib/ports.ts'
import { type Definition, receiversIn, recordKind } from '../records/definition.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import { recordCodec } from '../records/outcome.ts'
import type { StoredEpoch } from '../shards/epochs.ts'
import { recordHashOf } from '../shards/rival.ts'
import { shardStore } from '../shards/store.ts'
import { allWholeKeys, type WholeKeyHere } from './given-away.ts'
import { keptDefinition, missingDefinition } from './kept-definition.ts'
import { type KeyWords, keyWords, NO_WORDS } from './ledger.ts'
import { allReadmitted, type ReadmittedHere } from './readmitted.ts'
import { votesOfHome } from './votes.ts'

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
  /** `staged`: sealed here, not yet voted for by all; not usable. `retired`: replaced, and this site has no newer share. */
  readonly state: StoredEpoch['state']
  /** In the curve's own encoding; null while only staged. */
  readonly publicKey: string | null
  /** The record that the next ceremony builds on. */
  readonly record: Hash | null
  /** When this site installed that record, by its own clock; null where it has not, or its ledger cannot be read. */
  readonly since: string | null
  /** Since when this site does nothing with it, and why; null: it is in use. */
  readonly suspended: { readonly since: string; readonly reason: string } | null
  /** Ceremonies in which this site gave its share to recipients of the whole key, oldest first. */
  readonly reconstructed: readonly WholeKeyHere[]
  /** The emergency in which this site promised to leave it alone; null: none. */
  readonly fenced: Hash | null
  /** Sites of it that were taken back after their ledger went back, as far as this home had a part in that; oldest first. */
  readonly readmitted: readonly ReadmittedHere[]
}

/** A key one of whose files in this home is damaged. The other keys are as usable as before. */
export interface DamagedKey {
  readonly key: Hash
  /** null where the definition that has it cannot be read either. */
  readonly name: string | null
  /** One sentence that names the file, and the next step. */
  readonly damage: string
  readonly hint: string
}

interface KeysShown {
  readonly keys: readonly KeyShown[]
  readonly damaged: readonly DamagedKey[]
}

/** Throws E_FILE where the file is damaged. */
const definitionOf = async (disk: Disk, ceremony: Hash): Promise<Definition | undefined> => {
  const definition = await keptDefinition(disk, ceremony)
  return definition !== undefined && recordKind(definition).makes === 'key' ? definition : undefined
}

interface Found {
  readonly shown: KeyShown
  readonly definition: Definition | undefined
  readonly verifyingShares: readonly string[]
  /** When this site installed the epoch that made its share, in milliseconds since 1970; undefined where it does not know. */
  readonly sharesSince: number | undefined
}

interface Damaged {
  readonly key: Hash
  readonly name: string | null
  readonly fault: QuorateError
}

const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

/** A repair keeps the shares of the epoch before it, which a mended site has never had. */
const madeShares = (epoch: StoredEpoch, all: readonly StoredEpoch[]): StoredEpoch | undefined => {
  if (recordKind({ kind: epoch.core.kind }).keepsShares !== true) return epoch
  const before = all.find((one) => recordHashOf(one) === epoch.made.base)
  return before && madeShares(before, all)
}

const describe = async (
  disk: Disk,
  epoch: StoredEpoch,
  all: readonly StoredEpoch[],
  { installed, suspended, fenced }: KeyWords,
  given: readonly WholeKeyHere[],
  readmitted: readonly ReadmittedHere[],
): Promise<Found> => {
  const { key, core, state, made, record } = epoch
  const definition = made === undefined ? undefined : await definitionOf(disk, made.ceremony)
  if (state !== 'staged' && made !== undefined && definition === undefined) throw missingDefinition(made.ceremony)
  const hash = record === undefined ? null : hashOf(recordCodec.encode(record))
  const at = hash === null ? undefined : installed.get(hash)
  const stopped = suspended.get(key)
  const shown = {
    key,
    name: definition?.name ?? '',
    protocol: core.protocol,
    threshold: core.threshold,
    sites: definition === undefined ? [] : receiversIn(definition).map((site) => site.name),
    index: core.index,
    epoch: core.epoch,
    state,
    publicKey: made?.publicKey ?? null,
    record: hash,
    since: at === undefined ? null : iso(at),
    suspended: stopped === undefined ? null : { since: iso(stopped.at), reason: stopped.reason },
    reconstructed: given.filter((one) => one.key === key),
    fenced: fenced.get(key) ?? null,
    readmitted: readmitted.filter((one) => one.key === key),
  }
  const first = madeShares(epoch, all)
  const sharesSince = installed.get((first && recordHashOf(first)) ?? ('' as Hash))
  return { shown, definition, verifyingShares: made?.verifyingShares ?? [], sharesSince }
}

/** Returns the reader's value, or the fault of a file that it found damaged. */
const orFault = async <T>(read: () => Promise<T>): Promise<T | QuorateError> => {
  try {
    return await read()
  } catch (error) {
    if (error instanceof QuorateError) return error
    throw error
  }
}

const nameIn = async (disk: Disk, ceremony: Hash | undefined): Promise<string | null> => {
  const definition = ceremony === undefined ? undefined : await orFault(() => definitionOf(disk, ceremony))
  return definition === undefined || definition instanceof QuorateError ? null : definition.name
}

/** An epoch that can be used comes before one that cannot yet, and that before one that never will again. */
const RANK: Readonly<Record<StoredEpoch['state'], number>> = { retired: 0, staged: 1, installed: 2 }

/** The newest epoch of each key that is usable; of a key without one, what is staged. A key with a damaged file stands apart. */
const newest = async (folder: string): Promise<{ readonly whole: readonly Found[]; readonly damaged: Damaged[] }> => {
  const disk = await openRoot(folder)
  try {
    const shards = shardStore(disk)
    const home = await orFault(() => openHome(disk))
    const words = home instanceof QuorateError ? NO_WORDS : await keyWords(disk, home)
    const given = await allWholeKeys(folder)
    const readmitted = await allReadmitted(folder)
    const damaged: Damaged[] = []
    const stored = await shards.all()
    for (const { key, made, fault } of stored.damaged)
      damaged.push({ key, name: await nameIn(disk, made?.ceremony), fault })
    const epochs = new Map<Hash, StoredEpoch>()
    for (const one of stored.whole) {
      const before = epochs.get(one.key)
      if (before === undefined || RANK[one.state] >= RANK[before.state]) epochs.set(one.key, one)
    }
    const whole: Found[] = []
    for (const epoch of epochs.values()) {
      if (damaged.some(({ key }) => key === epoch.key)) continue
      const found = await orFault(() => describe(disk, epoch, stored.whole, words, given, readmitted))
      if (found instanceof QuorateError) damaged.push({ key: epoch.key, name: null, fault: found })
      else whole.push(found)
    }
    return { whole, damaged }
  } finally {
    await disk.close()
  }
}

export const listKeys = async (folder: string): Promise<KeysShown> => {
  const { whole, damaged } = await newest(folder)
  return {
    keys: whole.map(({ shown }) => shown),
    damaged: damaged.map(({ key, name, fault }) => ({ key, name, damage: fault.message, hint: fault.hint })),
  }
}

/**
 * `wanted`: the id, at least eight digits from its beginning, or a name. The whole id comes before any name: a definition
 * names its key so, and a planner may have called another key by it. Anything else must fit one key alone. `found` is the
 * fault of the file where this key is damaged. Throws E_NOT_FOUND.
 */
const fitting = async (
  folder: string,
  wanted: string,
): Promise<{ readonly found: Found | QuorateError; readonly key: Hash; readonly name: string | null }> => {
  const { whole, damaged } = await newest(folder)
  const keys = [
    ...whole.map((found) => ({ found, key: found.shown.key, name: found.shown.name })),
    ...damaged.map(({ key, name, fault }) => ({ found: fault, key, name })),
  ]
  const exact = keys.filter(({ key }) => key === wanted)
  const all =
    exact.length > 0
      ? exact
      : keys.filter(({ name, key }) => name === wanted || (wanted.length >= 8 && key.startsWith(wanted)))
  const [one, ...more] = all
  if (one !== undefined && more.length === 0) return one
  const unnamed = damaged.some(({ name }) => name === null)
  throw new QuorateError(
    'E_NOT_FOUND',
    one === undefined ? 'this home holds no share of such a key' : `${all.length} keys of this home are called so`,
    one !== undefined
      ? 'name it by its id: quorate keys list'
      : `quorate keys list shows all${unnamed ? ', and which file hides the name of one' : ''}`,
  )
}

/** Throws as `fitting` does, and the fault of the file where this key is damaged. */
const find = async (folder: string, wanted: string): Promise<Found> => {
  const { found } = await fitting(folder, wanted)
  if (found instanceof QuorateError) throw found
  return found
}

/** The id of a key, also of one that is damaged. Throws E_NOT_FOUND. */
export const keyIdOf = async (
  folder: string,
  wanted: string,
): Promise<{ readonly key: Hash; readonly name: string | null }> => {
  const { key, name } = await fitting(folder, wanted)
  return { key, name }
}

export const showKey = async (folder: string, wanted: string): Promise<KeyShown> => (await find(folder, wanted)).shown

/** Newest entries of sites whose share was sealed anew, as this home knows them. */
const rewrappedIn = (folder: string, record: Hash): Promise<KeyBase['rewrapped']> =>
  votesOfHome(folder, async (known) => entriesSince(await rewrapsInUse(known, record)))

/** Returns the record that a definition with this key builds on. Throws E_NOT_FOUND where it is not usable yet. */
export const keyBase = async (folder: string, wanted: string): Promise<KeyBase> => {
  const { shown, definition, verifyingShares } = await find(folder, wanted)
  const { key, record, publicKey, state, epoch } = shown
  if (state === 'installed' && record !== null && publicKey !== null && definition !== undefined)
    return { key, record, epoch, definition, publicKey, verifyingShares, rewrapped: await rewrappedIn(folder, record) }
  if (state === 'retired')
    throw new QuorateError(
      'E_NOT_FOUND',
      'this site’s share of this key was destroyed when others received new ones',
      'plan at a site that holds the key now; quorate keys show says what this home knows of it',
    )
  throw new QuorateError(
    'E_NOT_FOUND',
    'this key is not usable here yet',
    'finish its keygen first: quorate keygen join, with the definition that made it',
  )
}

/** The newest epoch of a key, and the age of its shares in milliseconds: null where this home does not know it. Throws E_NOT_FOUND. */
export const keyAge = async (
  folder: string,
  wanted: string,
  now: number,
): Promise<{ readonly shown: KeyShown; readonly age: number | null }> => {
  const { shown, sharesSince } = await find(folder, wanted)
  return { shown, age: sharesSince === undefined ? null : Math.max(0, now - sharesSince) }
}
