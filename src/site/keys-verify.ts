import type { LogView } from '../audit/disk-log.ts'
import { ownSeal } from '../ceremony/epoch/rewrap-base.ts'
import { hedged } from '../ceremony/hedge.ts'
import { type HostDisk, openRoot } from '../host/disk.ts'
import { type Home, openHome } from '../identity/home.ts'
import { openKmsKey } from '../kms/registry.ts'
import type { Hash } from '../lib/brand.ts'
import { utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import type { Secret } from '../lib/secret.ts'
import { envelopeHash, type SealedShard, shardCoreCodec } from '../records/sealed-shard.ts'
import { envelopesAt, restoreEnvelope } from '../shards/envelopes.ts'
import type { DamagedEpoch, StoredEpoch } from '../shards/epochs.ts'
import { examineReplica, type ReplicaFound } from '../shards/replica-check.ts'
import type { Replicas } from '../shards/replicas.ts'
import { recordHashOf } from '../shards/rival.ts'
import { slottedIn } from '../shards/seal.ts'
import { trySlots } from '../shards/slots.ts'
import { shardStore } from '../shards/store.ts'
import type { Store, StoreContext } from '../shards/stores/port.ts'
import { closing, lookAtLog, openHomeSession } from './home-session.ts'
import { keptDefinition } from './kept-definition.ts'
import { keyIdOf } from './keys.ts'
import { lookAtLedger } from './ledger.ts'
import { machine } from './machine.ts'
import { replicaStores, replicasAt, storeOpener } from './own-stores.ts'

/** One place of an envelope, or one slot of it: `mended` by this very run. */
interface Verified {
  readonly state: ReplicaFound['state'] | 'mended'
  readonly said: string
  readonly hint: string | null
}

export interface ReplicaVerified extends Verified {
  readonly store: string
  /** False for a store that the card names no more. */
  readonly named: boolean
  /** Wrapped pieces of envelopes that were replaced, and should be gone. */
  readonly older: number
}

interface SlotVerified extends Verified {
  readonly slot: number
  /** PROVIDER:KEY */
  readonly key: string
  readonly version: string
}

/** A share of this home, and everything that it lies in. */
export interface ShareVerified {
  readonly outcome: Hash
  /** null where the home's own files do not say. */
  readonly epoch: number | null
  readonly envelope: Hash | null
  readonly home: Verified
  readonly replicas: readonly ReplicaVerified[]
  /** Empty where no whole envelope is at hand. */
  readonly slots: readonly SlotVerified[]
}

export interface KeyVerified {
  readonly key: Hash
  readonly name: string | null
  readonly shares: readonly ShareVerified[]
}

interface Wanted {
  readonly home: string
  readonly key: string
  /** Puts what is missing or damaged back from what is whole. */
  readonly repair: boolean
  readonly passphrase?: (() => Promise<Secret>) | undefined
  readonly environment?: StoreContext['environment']
}

interface Parts {
  readonly disk: HostDisk
  readonly home: Home
  readonly replicas: Replicas
  readonly open: (uri: string) => Promise<Store>
  readonly card: readonly string[]
  readonly ledger: LogView
}

type Target = StoredEpoch | DamagedEpoch

const ok = (said: string): Verified => ({ state: 'ok', said, hint: null })
const mended = (said: string): Verified => ({ state: 'mended', said, hint: null })
const ofFault = (state: Verified['state'], { message, hint }: QuorateError): Verified => ({
  state,
  said: message,
  hint,
})

const REPAIR = 'run the same command with --repair: it puts right what it can from what is whole'

/** `mendable`: a repair has a whole envelope, and knows that it is the right one. */
const told = ({ state, fault, others }: ReplicaFound, mendable: boolean): Verified => {
  const hint = mendable ? REPAIR : null
  if (fault !== undefined) return ofFault(state, fault)
  if (state === 'ok') return { ...ok('whole'), hint: others.length === 0 ? null : hint }
  return { state, said: state === 'missing' ? 'it is not there' : 'its bytes are others', hint }
}

const attempt = async <T>(work: () => Promise<T>): Promise<T | QuorateError> => {
  try {
    return await work()
  } catch (error) {
    if (error instanceof QuorateError) return error
    throw error
  }
}

/** The hash that the envelope of a share must have, by this home alone: no store has a say in it. */
const expectedOf = async ({ disk, home, ledger }: Parts, target: Target): Promise<Hash | undefined> => {
  if (!('fault' in target)) return target.envelope
  const { made, record } = target
  const hash = recordHashOf(target)
  if (made === undefined || record === undefined || hash === undefined) return undefined
  const known = { home, ledger, ceremonyLog: (ceremony: Hash) => lookAtLog(disk, home, ceremony) }
  const found = await attempt(async () => {
    const definition = await keptDefinition(disk, made.ceremony)
    return (
      definition && (await ownSeal({ ...known, home: { ...home, disk } }, { definition, record: hash }, { record }))
    )
  })
  return found instanceof QuorateError ? undefined : found?.envelope
}

interface Found {
  readonly store: Store | undefined
  readonly replica: ReplicaFound
}

/** The replica in each store; of an envelope that nobody can name, nothing. */
const replicasIn = async (
  { replicas, open }: Parts,
  { key, outcome }: Target,
  envelope: Hash | undefined,
): Promise<ReadonlyMap<string, Found>> => {
  const found = new Map<string, Found>()
  for (const uri of await replicas.storesOf(key, outcome)) {
    const store = await attempt(() => open(uri))
    if (store instanceof QuorateError)
      found.set(uri, {
        store: undefined,
        replica: { state: 'unreachable', fault: store, others: [], sealed: undefined },
      })
    else if (envelope !== undefined)
      found.set(uri, { store, replica: await examineReplica(replicas, store, key, outcome, envelope) })
  }
  return found
}

/** The home's own files of a share. Those of the envelope are put back; a home that is damaged otherwise stays so. */
const verifyHome = async (
  { disk }: Parts,
  target: Target,
  own: SealedShard | undefined,
  whole: SealedShard | undefined,
  repair: boolean,
): Promise<Verified> => {
  if (!('fault' in target)) return ok('whole')
  const { key, outcome, fault } = target
  const here = ofFault('damaged', fault)
  if (own !== undefined || whole === undefined) return here
  if (!repair) return { ...here, hint: REPAIR }
  const done = await attempt(async () => {
    await restoreEnvelope(disk, `keys/${key}/${outcome}`, whole)
    return shardStore(disk).read(key, outcome)
  })
  if (done instanceof QuorateError) return ofFault('damaged', done)
  return done === undefined ? here : mended('put back from a replica')
}

/** Puts a replica there anew, and takes away what lies there of envelopes that were replaced. */
const mendIn = async (
  { card, replicas }: Parts,
  { key, outcome }: Target,
  { store, replica }: Found,
  whole: SealedShard,
  older: readonly Hash[],
): Promise<Pick<ReplicaVerified, keyof Verified | 'older'>> => {
  const { state } = replica
  const wanted = state !== 'ok' && card.includes(store?.uri ?? '')
  if (store === undefined || state === 'unreachable') return { older: older.length, ...told(replica, true) }
  const fault = await attempt(async () => {
    if (wanted) await replicas.mend(store, key, outcome, whole)
    await replicas.removeIn(store, key, outcome, older)
  })
  if (fault instanceof QuorateError)
    return { older: older.length, ...ofFault(state === 'ok' ? 'damaged' : state, fault) }
  return { older: 0, ...(wanted ? mended('put there anew') : told({ ...replica, others: [] }, true)) }
}

/** Each slot by its KMS key: a piece is compared with its commitment, and wiped. */
const verifySlots = async (
  { home }: Parts,
  sealed: SealedShard,
  { home: folder, passphrase, environment }: Wanted,
): Promise<readonly SlotVerified[]> => {
  const { kms } = await home.card()
  const context = {
    home: folder,
    random: hedged({ machine, home }, hashOf(utf8(home.identity)), 'keys verify'),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(environment === undefined ? {} : { environment }),
  }
  const opened = await Promise.all(kms.map((slot) => attempt(() => openKmsKey(slot, context))))
  const slotted = slottedIn(sealed)
  const faults = await trySlots(
    slotted,
    opened.flatMap((one) => (one instanceof QuorateError ? [] : [one])),
  )
  return slotted.slots.map(({ provider, key, version }, at) => {
    const closed = opened[kms.findIndex((slot) => slot.provider === provider && slot.key === key)]
    const fault = closed instanceof QuorateError ? closed : faults[at]
    const state = fault?.code === 'E_SHARD' ? 'damaged' : 'unreachable'
    const verified = fault === undefined ? ok('opens its piece') : ofFault(state, fault)
    return { slot: at + 1, key: `${provider}:${key}`, version, ...verified }
  })
}

const verifyShare = async (parts: Parts, target: Target, wanted: Wanted): Promise<ShareVerified> => {
  const { disk, card } = parts
  const { key, outcome } = target
  const envelope = await expectedOf(parts, target)
  const found = await replicasIn(parts, target, envelope)
  // That of a rewrap which is not finished is none that was replaced.
  const local = await envelopesAt(disk, `keys/${key}/${outcome}`)
  const own = local.find((one) => envelopeHash(one) === envelope)
  const whole = own ?? [...found.values()].find(({ replica }) => replica.sealed !== undefined)?.replica.sealed
  const home = await verifyHome(parts, target, own, whole, wanted.repair)
  const mendable = whole !== undefined && (!('fault' in target) || own === undefined)
  const replicas: ReplicaVerified[] = []
  for (const [store, one] of found) {
    const older = one.replica.others.filter((hash) => !local.some((sealed) => envelopeHash(sealed) === hash))
    // Nothing is taken away while the home's own files do not say what counts.
    const verified =
      wanted.repair && whole !== undefined && home.state !== 'damaged'
        ? await mendIn(parts, target, one, whole, older)
        : { older: older.length, ...told({ ...one.replica, others: older }, mendable) }
    replicas.push({ store, named: card.includes(store), ...verified })
  }
  return {
    outcome,
    epoch: whole === undefined ? null : shardCoreCodec.decode(whole.core).epoch,
    envelope: envelope ?? null,
    home,
    replicas,
    slots: whole === undefined ? [] : await verifySlots(parts, whole, wanted),
  }
}

/** A share that is destroyed here, and whose wrapped pieces are not known to be gone from every store. */
const verifyDestroyed = async (
  { replicas, open }: Parts,
  { key, outcome }: Pick<Target, 'key' | 'outcome'>,
  epoch: number | null,
  repair: boolean,
): Promise<ShareVerified> => {
  const fault = repair ? await attempt(() => replicas.remove(key, outcome)) : undefined
  const left = await replicas.storesOf(key, outcome)
  const found: ReplicaVerified[] = []
  for (const store of left) {
    const shown = await attempt(async () => (await replicas.envelopesIn(await open(store), key, outcome)).length)
    const gone = repair && fault === undefined
    const verified =
      shown instanceof QuorateError
        ? ofFault('unreachable', shown)
        : gone
          ? mended('gone')
          : { ...ok('destroyed'), hint: REPAIR }
    // Noted and not shown: of versions it may still have them.
    found.push({
      store,
      named: true,
      older: gone ? 0 : Math.max(1, shown instanceof QuorateError ? 1 : shown),
      ...verified,
    })
  }
  const home = fault instanceof QuorateError ? ofFault('damaged', fault) : ok('destroyed')
  return { outcome, epoch, envelope: null, home, replicas: found, slots: [] }
}

const verifyIn = async (disk: HostDisk, home: Home, key: Hash, wanted: Wanted): Promise<readonly ShareVerified[]> => {
  const { stores } = await home.card()
  const open = storeOpener(home, wanted.environment)
  const replicas = replicasAt(disk, home, stores, open)
  const ledger = await lookAtLedger(disk, home)
  const parts: Parts = { disk, home, replicas, open, ledger, card: replicaStores(stores) }
  const { whole, damaged } = await shardStore(disk).ofKey(key)
  const newest = whole.filter(({ state }) => state === 'installed').at(-1)
  const over = new Set([...ledger.replay()].flatMap(({ what, object }) => (what === 'retired' ? (object ?? []) : [])))
  const isOver = async (one: DamagedEpoch): Promise<boolean> =>
    over.has(recordHashOf(one) ?? ('' as Hash)) || (await disk.read(`keys/${key}/${one.outcome}/retired`)) !== undefined
  const shares: ShareVerified[] = []
  for (const one of whole)
    if (one.state === 'retired' && (await replicas.isNoted(key, one.outcome)))
      shares.push(await verifyDestroyed(parts, one, one.core.epoch, wanted.repair))
  for (const one of damaged) {
    if (!(await isOver(one))) shares.push(await verifyShare(parts, one, wanted))
    else if (await replicas.isNoted(key, one.outcome))
      shares.push(await verifyDestroyed(parts, one, null, wanted.repair))
  }
  if (newest !== undefined) shares.push(await verifyShare(parts, newest, wanted))
  if (shares.length > 0) return shares
  throw new QuorateError(
    'E_NOT_FOUND',
    'this key is not usable here',
    'finish its ceremony first, or plan with the sites that hold it: quorate keys list',
  )
}

/**
 * Holds everything that this home's share of a key lies in against the record: the home's own files, each replica, and each
 * slot by its KMS key. Throws E_NOT_FOUND; E_HOME_BUSY where it is to repair while another process owns the home.
 */
export const verifyKey = async (wanted: Wanted): Promise<KeyVerified> => {
  const { key, name } = await keyIdOf(wanted.home, wanted.key)
  if (wanted.repair) {
    const session = await openHomeSession(wanted.home)
    return closing(session, async ({ disk, home }) => ({ key, name, shares: await verifyIn(disk, home, key, wanted) }))
  }
  const disk = await openRoot(wanted.home)
  try {
    return { key, name, shares: await verifyIn(disk, await openHome(disk), key, wanted) }
  } finally {
    await disk.close()
  }
}
