import { type LogView, openLog, readLog } from '../audit/disk-log.ts'
import type { Log } from '../audit/log.ts'
import { ceremonyOrigin } from '../audit/note.ts'
import type { Authority } from '../ceremony/definition/authority.ts'
import { hedged } from '../ceremony/hedge.ts'
import { logPath } from '../ceremony/paths.ts'
import { KnownHeads } from '../ceremony/peers/ledger-heads.ts'
import type { Site } from '../ceremony/ports.ts'
import { systemClock } from '../host/clock.ts'
import { type HostDisk, openRoot } from '../host/disk.ts'
import { claimHome, type HomeClaim } from '../host/run-socket.ts'
import { toEnvelope } from '../identity/dsse.ts'
import { type Home, openHome } from '../identity/home.ts'
import { limitedSigner } from '../identity/identity-key.ts'
import type { Hash, SiteId } from '../lib/brand.ts'
import { utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import type { Secret } from '../lib/secret.ts'
import { sealTo } from '../recipients/seal.ts'
import { noteCodec } from '../records/note.ts'
import type { RelayRoom } from '../transport/relay-client.ts'
import { openLedger } from './ledger.ts'
import { machine } from './machine.ts'
import { replicasAt, storeOpener } from './own-stores.ts'

/** The one place that wires adapters to ceremonies: disk, clock, randomness, KMS and relays of this machine. */

/** How long the first relay may take to answer. */
const RELAY_MS = 10_000

/** How this machine reaches relays, besides what a definition says. */
export interface RelayAccess {
  /** PEM of the authorities that sign relays' TLS certificates, where the system's do not. */
  readonly relayCa?: string | undefined
}

/** A home that this process alone may write, its ledger open; no passphrase was needed. */
export interface HomeSession extends RelayAccess {
  readonly folder: string
  readonly disk: HostDisk
  readonly home: Home
  readonly ledger: Log
  readonly peerHeads: KnownHeads
  readonly claim: HomeClaim
  ceremonyLog(ceremony: Hash): Promise<Log>
  close(): Promise<void>
}

/** Throws E_HOME, E_HOME_BUSY, E_LOG. */
export const openHomeSession = async (folder: string, { relayCa }: RelayAccess = {}): Promise<HomeSession> => {
  const disk = await openRoot(folder)
  const home = await openHome(disk)
  const claim = await claimHome(folder)
  const ledger = await openLedger(disk, home).catch(async (error: unknown) => {
    await claim.release()
    await disk.close()
    throw error
  })
  const signer = home.keys.log
  return {
    folder,
    relayCa,
    disk,
    home,
    ledger,
    peerHeads: new KnownHeads(ledger),
    claim,
    ceremonyLog: (ceremony) =>
      openLog({ disk, path: logPath(ceremony), origin: ceremonyOrigin(ceremony, home.identity), signer }),
    async close() {
      await claim.release()
      await disk.close()
    },
  }
}

/** Work in a home that is given back afterwards. */
export const closing = async <T>(owned: HomeSession, work: (owned: HomeSession) => Promise<T>): Promise<T> => {
  try {
    return await work(owned)
  } finally {
    await owned.close()
  }
}

/** A ceremony's log as its last barrier left it, for those who only look. */
export const lookAtLog = (disk: HostDisk, home: Home, ceremony: Hash): Promise<LogView> =>
  readLog({ disk, path: logPath(ceremony), origin: ceremonyOrigin(ceremony, home.identity), key: home.keys.log.key })

/** All relays of a definition at once. */
export const connectRoom = async (home: Home, authority: Authority, { relayCa }: RelayAccess): Promise<RelayRoom> => {
  const { connectRelays } = await import('../transport/relay-client.ts')
  const { name } = await home.config()
  const { definition, hash, roster } = authority
  const sites = roster.map((member) => ({ name: member.name, identity: member.identity, role: 'site' as const }))
  const approvers = definition.approvers.map((identity, at) => ({
    name: `approver-${at + 1}` as SiteId,
    identity,
    role: 'approver' as const,
  }))
  const members = [...sites, ...approvers]
  const self = members.find((member) => member.identity === home.identity)
  if (self === undefined)
    throw new QuorateError(
      'E_NOT_ALLOWED',
      'this home is not a member of the definition',
      'check that this is the right file and the right home',
    )
  return connectRelays({
    relays: definition.relays,
    authority: hash,
    members,
    self: self.name,
    noteSigner: limitedSigner(name, home.keys.note, [noteCodec.type, 'relay-answer/v1']),
    noteCertificate: toEnvelope(home.certificates.note),
    clock: systemClock,
    random: hedged({ machine, home }, hash, 'relay client'),
    ...(relayCa === undefined ? {} : { ca: relayCa }),
  })
}

/** Resolves when one relay passes frames on. Throws E_RELAY. */
export const whenReachable = async (room: RelayRoom, ms = RELAY_MS): Promise<void> => {
  const until = systemClock.monotonic() + ms
  for (;;) {
    const states = room.status()
    if (states.some(({ state }) => state === 'admitted' || state === 'routing')) return
    if (systemClock.monotonic() > until) {
      await room.close()
      const list = states.map(({ url, state, reason }) => `${url} ${reason ?? state}`).join('; ')
      throw new QuorateError(
        'E_RELAY',
        `no relay answers: ${list}`,
        `${hintOf(states)}; then run the same command again`,
        { relays: states },
      )
    }
    await systemClock.sleep(10)
  }
}

/** The first relay's next step: whoever follows it sees the next relay's. */
const hintOf = (states: ReturnType<RelayRoom['status']>): string =>
  states.find(({ hint }) => hint !== undefined)?.hint ??
  'start a relay of the definition (`quorate relay serve`), or check the network'

/** Relays that do not pass frames on just now, and why. */
export const unreached = (room: Pick<RelayRoom, 'status'>): readonly { readonly url: string; readonly why: string }[] =>
  room
    .status()
    .flatMap(({ url, state, reason }) =>
      state === 'admitted' || state === 'routing' ? [] : [{ url, why: reason ?? 'no answer yet' }],
    )

export interface SiteSecrets {
  readonly passphrase: () => Promise<Secret>
  readonly kmsPassphrase?: (() => Promise<Secret>) | undefined
  /** The credentials of a KMS provider may be in it. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** A site with its identity unlocked, ready to join. */
export const openSite = async (
  owned: HomeSession,
  secrets: SiteSecrets,
): Promise<Omit<Site, 'connect'> & { connect(authority: Authority): Promise<RelayRoom> }> => {
  const { home, folder, disk, ledger } = owned
  // A command that only looks at a home loads none of these.
  const [{ buildHash, packagesHash }, { openKmsKey }, { sdkPackages }, { shardStore }, { replicated }, stores] =
    await Promise.all([
      import('../host/build.ts'),
      import('../kms/registry.ts'),
      import('../kms/providers.ts'),
      import('../shards/store.ts'),
      import('../shards/replicated.ts'),
      import('../shards/stores/table.ts'),
    ])
  const forKms = hedged({ machine, home }, hashOf(utf8(home.identity)), 'kms')
  const card = await home.card()
  const { schemeOf, storeTable } = stores
  const packages = new Map<string, readonly string[]>()
  for (const { provider } of card.kms) packages.set(provider, sdkPackages(provider))
  for (const store of card.stores) {
    const scheme = schemeOf(store)
    if (scheme !== undefined) packages.set(scheme, storeTable[scheme].packages)
  }
  const sdks = [...packages]
    .filter(([, names]) => names.length > 0)
    .map(([provider, names]) => ({ provider, build: packagesHash(names) }))
    .sort((a, b) => (a.provider < b.provider ? -1 : 1))
  return {
    home,
    card,
    identityKey: await home.unlock(home.locked ? await secrets.passphrase() : undefined),
    machine: { ...machine, build: buildHash(), sdks },
    ledger,
    peerHeads: owned.peerHeads,
    shards: replicated(
      shardStore(disk),
      disk,
      replicasAt(disk, home, card.stores, storeOpener(home, secrets.environment)),
    ),
    ceremonyLog: owned.ceremonyLog,
    async connect(authority) {
      const room = await connectRoom(home, authority, owned)
      await whenReachable(room)
      return room
    },
    sealTo,
    kms: (slot) =>
      openKmsKey(slot, {
        home: folder,
        random: forKms,
        ...(secrets.kmsPassphrase === undefined ? {} : { passphrase: secrets.kmsPassphrase }),
        ...(secrets.environment === undefined ? {} : { environment: secrets.environment }),
      }),
  }
}

/**
 * The ledger's word on an approval, once, before anybody can see it. Throws E_CONSUMED where this site left, by its ledger
 * or by its log.
 */
export const noteApproval = async (owned: HomeSession, ceremony: Hash, object: Hash): Promise<void> => {
  const { ledger, disk, home } = owned
  const { name } = await home.config()
  const logged = [...(await lookAtLog(disk, home, ceremony)).replay()]
  // Nothing is awaited between this look and the word that rests on it: another command may say the same.
  const said = [...ledger.replay()].filter((event) => event.ceremony === ceremony)
  if (
    said.some((event) => event.what === 'aborted') ||
    logged.some((event) => event.what === 'abort' && event.site === name)
  )
    throw new QuorateError(
      'E_CONSUMED',
      'this site left this ceremony',
      'an approval that was withdrawn is not given again: plan a new definition',
    )
  if (!said.some((event) => event.what === 'approved'))
    ledger.append({ at: systemClock.now(), what: 'approved', ceremony, site: null, object })
  // Also a word that another command has just said is not durable before.
  await ledger.barrier()
}
