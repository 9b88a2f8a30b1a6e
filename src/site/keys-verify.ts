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
import { currentEnvelope, findEnvelope, restoreEnvelope } from '../shards/envelopes.ts'
import type { DamagedEpoch, StoredEpoch } from '../shards/epochs.ts'
import { examineReplica, type ReplicaFound } from '../shards/replica-check.ts'
import { envelopesIn, mendReplica, removeOlder, storesEver } from '../shards/replicas.ts'
import { slottedIn } from '../shards/seal.ts'
import { trySlots } from '../shards/slots.ts'
import { shardStore } from '../shards/store.ts'
import type { Store, StoreContext } from '../shards/stores/port.ts'
import { closing, openHomeSession } from './home-session.ts'
import { keyIdOf } from './keys.ts'
import { machine } from './machine.ts'
import { replicaStores, storeOpener } from './own-stores.ts'

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
  readonly open: (uri: string) => Promise<Store>
  readonly card: readonly string[]
}

type Target = StoredEpoch | DamagedEpoch

const ok = (said: string): Verified => ({ state: 'ok', said, hint: null })
const mended = (said: string): Verified => ({ state: 'mended', said, hint: null })
const ofFault = (state: Verified['state'], { message, hint }: QuorateError): Verified => ({
  state,
  said: message,
  hint,
})

const REPAIR = 'quorate keys verify --repair puts it back from a whole one'

const told = ({ state, fault, older }: ReplicaFound): Verified => {
  if (fault !== undefined) return ofFault(state, fault)
  if (state === 'ok') return { ...ok('whole'), hint: older === 0 ? null : REPAIR }
  return { state, said: state === 'missing' ? 'it is not there' : 'its bytes are others', hint: REPAIR }
}

const attempt = async <T>(work: () => Promise<T>): Promise<T | QuorateError> => {
  try {
    return await work()
  } catch (error) {
    if (error instanceof QuorateError) return error
    throw error
  }
}

/** The hash that the share's envelope must have, where the home's own files do not tell: by what a replica says of itself. */
const expectedIn = async ({ disk, open }: Parts, { key, outcome, record }: DamagedEpoch, stores: readonly string[]) => {
  const current = await attempt(() => currentEnvelope(disk, `keys/${key}/${outcome}`))
  if (current instanceof QuorateError) return undefined
  if (current !== undefined) return current.envelope
  for (const uri of stores) {
    const found = await attempt(async () => {
      const store = await open(uri)
      for (const envelope of await envelopesIn(store, key, outcome)) {
        const { sealed } = await examineReplica(store, key, outcome, envelope)
        const index = sealed === undefined ? undefined : shardCoreCodec.decode(sealed.core).index
        if (index !== undefined && record?.envelopes[index - 1] === envelope) return envelope
      }
      return undefined
    })
    if (found !== undefined && !(found instanceof QuorateError)) return found
  }
  return undefined
}

interface Found {
  readonly store: Store | undefined
  readonly replica: ReplicaFound
}

/** The replica in each store; of an envelope that nobody can name, nothing. */
const replicasIn = async (
  { open }: Parts,
  { key, outcome }: Target,
  stores: readonly string[],
  envelope: Hash | undefined,
): Promise<ReadonlyMap<string, Found>> => {
  const found = new Map<string, Found>()
  for (const uri of stores) {
    const store = await attempt(() => open(uri))
    if (store instanceof QuorateError)
      found.set(uri, { store: undefined, replica: { state: 'unreachable', fault: store, older: 0, sealed: undefined } })
    else if (envelope !== undefined)
      found.set(uri, { store, replica: await examineReplica(store, key, outcome, envelope) })
  }
  return found
}

/** The home's own files of a share; `repair` puts them back from an envelope that is whole. */
const verifyHome = async (
  { disk }: Parts,
  target: Target,
  whole: SealedShard | undefined,
  repair: boolean,
): Promise<Verified> => {
  if (!('fault' in target)) return ok('whole')
  const here = ofFault('damaged', target.fault)
  if (whole === undefined) return here
  if (!repair) return { ...here, hint: REPAIR }
  const fault = await attempt(() => restoreEnvelope(disk, `keys/${target.key}/${target.outcome}`, whole))
  return fault instanceof QuorateError ? ofFault('damaged', fault) : mended('put back from a replica')
}

/** Puts a replica there anew, and takes away what lies there of envelopes that were replaced. */
const mendIn = async (
  { disk, card }: Parts,
  { key, outcome }: Target,
  { store, replica }: Found,
  whole: SealedShard,
): Promise<Pick<ReplicaVerified, keyof Verified | 'older'>> => {
  const { state, older } = replica
  const wanted = state !== 'ok' && card.includes(store?.uri ?? '')
  if (store === undefined || state === 'unreachable') return { older, ...told(replica) }
  const fault = await attempt(async () => {
    if (wanted) await mendReplica(disk, store, key, outcome, whole)
    if (older > 0) await removeOlder(store, key, outcome, envelopeHash(whole))
  })
  if (fault instanceof QuorateError) return { older, ...ofFault(state === 'ok' ? 'damaged' : state, fault) }
  return { older: 0, ...(wanted ? mended('put there anew') : told({ ...replica, older: 0 })) }
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
  const ever = await attempt(() => storesEver(disk, key, outcome))
  const stores = [...new Set([...card, ...(ever instanceof QuorateError ? [] : ever)])]
  const envelope = 'fault' in target ? await expectedIn(parts, target, stores) : target.envelope
  const found = await replicasIn(parts, target, stores, envelope)
  const own = envelope === undefined ? undefined : await findEnvelope(disk, `keys/${key}/${outcome}`, envelope)
  const whole = own ?? [...found.values()].find(({ replica }) => replica.sealed !== undefined)?.replica.sealed
  const home = await verifyHome(parts, target, whole, wanted.repair)
  const replicas: ReplicaVerified[] = []
  for (const [store, one] of found) {
    // Nothing is taken away while the home's own files do not say what counts.
    const mends = wanted.repair && whole !== undefined && (home.state === 'ok' || home.state === 'mended')
    const verified = mends
      ? await mendIn(parts, target, one, whole)
      : { older: one.replica.older, ...told(one.replica) }
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

const verifyIn = async (disk: HostDisk, home: Home, key: Hash, wanted: Wanted): Promise<readonly ShareVerified[]> => {
  const card = replicaStores((await home.card()).stores)
  const parts: Parts = { disk, home, card, open: storeOpener(home, wanted.environment) }
  const { whole, damaged } = await shardStore(disk).ofKey(key)
  const newest = whole.filter(({ state }) => state === 'installed').at(-1)
  // Without its record nothing tells which envelope would be the right one.
  const targets: readonly Target[] = [
    ...damaged.filter(({ record }) => record !== undefined),
    ...(newest === undefined ? [] : [newest]),
  ]
  if (targets.length === 0)
    throw (
      damaged[0]?.fault ??
      new QuorateError('E_NOT_FOUND', 'this key is not usable here yet', 'finish its ceremony first: quorate keys list')
    )
  const shares: ShareVerified[] = []
  for (const target of targets) shares.push(await verifyShare(parts, target, wanted))
  return shares
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
