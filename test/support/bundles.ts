import { type BundleReader, readBundle } from '../../src/audit/bundle.ts'
import { bufferSource } from '../../src/audit/tar.ts'
import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import type { RawSigner } from '../../src/identity/ed25519.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Random } from '../../src/lib/ports.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { ProtocolId } from '../../src/records/definition-fields.ts'
import type { EmergencyDefinition } from '../../src/records/kinds/emergency.ts'
import type { ReadmitDefinition } from '../../src/records/kinds/readmit.ts'
import type { ReconstructDefinition } from '../../src/records/kinds/reconstruct.ts'
import type { RefreshDefinition } from '../../src/records/kinds/refresh.ts'
import type { RepairDefinition } from '../../src/records/kinds/repair.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import type { RewrapDefinition } from '../../src/records/kinds/rewrap.ts'
import type { SignDefinition } from '../../src/records/kinds/sign.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, refreshDefinition, signDefinition, siteEntries } from './definition.ts'
import { emergencyOf } from './emergencies.ts'
import { memoryHome } from './home.ts'
import { approveIn, copyWorld, type MemoryWorld, memoryWorld, startJoin } from './memory-site.ts'
import { seededRandom } from './random.ts'
import { backupOf, readmitOf, setBack } from './readmits.ts'
import { approversApprove, reconstructOf } from './reconstructs.ts'
import { repairOf, reshareOf, signatureBy } from './reshares.ts'
import { moveCard, rewrapOf } from './rewraps.ts'

export interface Chain {
  readonly world: MemoryWorld
  readonly keygen: Definition
  readonly sign: SignDefinition
  readonly message: Uint8Array
  readonly keygenBundle: Uint8Array
  readonly signBundle: Uint8Array
}

/** The same key after new shares were made of it. */
export interface RefreshedChain extends Chain {
  readonly refresh: RefreshDefinition
  readonly refreshBundle: Uint8Array
}

export interface ResharedChain extends RefreshedChain {
  readonly reshare: ReshareDefinition
  readonly reshareBundle: Uint8Array
}

const joinRandom = (kind: string, name: string): Random => seededRandom(`join of ${kind} at ${name}`)

const messageKeys = new Map<string, RawSigner>()
const openCeremony = Ceremony.open
Ceremony.open = async (...given: Parameters<typeof openCeremony>) => {
  const ceremony = await openCeremony(...given)
  messageKeys.set(`${ceremony.authority.hash} ${ceremony.seat.name}`, ceremony.keys.message.raw)
  return ceremony
}

/** The message key of a site's last join of a ceremony: what a forger who owns the site also owns. */
export const messageKeyIn = (definition: Definition, name: string): RawSigner => {
  const key = messageKeys.get(`${ceremonyId(definition)} ${name}`)
  if (key === undefined) throw new Error(`no join of ${name}`)
  return key
}

const joinAll = async (
  world: MemoryWorld,
  names: readonly string[],
  definition: Definition,
  message: Uint8Array | null = null,
  approving: readonly string[] = names,
): Promise<readonly JoinResult[]> => {
  for (const name of approving) await approveIn(world, name, definition)
  const runs = await Promise.all(
    names.map((name, at) =>
      startJoin(world, name, definition, message, {
        machine: {
          clock: world.clock,
          random: joinRandom(definition.kind, name),
          processId: at + 1,
          vmGeneration: null,
          build: 'b1'.repeat(32) as Hash,

          runtime: 'node 20.20.2',
          sdks: [],
        },
      }),
    ),
  )
  return Promise.all(runs.map((run) => run.done))
}

const bundleIn = async (world: MemoryWorld, { site, bundle }: JoinResult): Promise<Uint8Array> => {
  const bytes = bundle === null ? undefined : await world.homes.get(site)?.disk.read(bundle)
  if (bytes === undefined) throw new Error('no bundle')
  return bytes
}

/** Three sites make a key in memory and two of them sign with it: the bundles that both leave. */
export const memoryChain = async (protocol: ProtocolId = 'frost-ed25519'): Promise<Chain> => {
  const names = ['eu', 'us', 'ap']
  const world = await memoryWorld(names)
  const keygen = await keygenDefinition({ protocol, sites: await siteEntries(names) })
  const [made] = await joinAll(world, names, keygen)
  const disk = world.homes.get('eu')?.disk
  const [epoch] = disk === undefined ? [] : await shardStore(disk).list()
  if (made?.key === undefined || made.key === null || epoch?.record === undefined) throw new Error('no key')
  const message = utf8('pay nobody')
  const sign = await signDefinition({
    protocol,
    sites: keygen.sites,
    key: made.key.id as Hash,
    base: hashOf(recordCodec.encode(epoch.record)),
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
  const [signed] = await joinAll(world, ['eu', 'ap'], sign, message)
  if (signed === undefined) throw new Error('no signature')
  const [keygenBundle, signBundle] = [await bundleIn(world, made), await bundleIn(world, signed)]
  return { world, keygen, sign, message, keygenBundle, signBundle }
}

/** The same chain at each call: nobody joins in its world any more, and nobody writes into its bundles. */
const shared = <C extends Chain>(make: () => Promise<C>): (() => Promise<C>) => {
  const hashesOf = (chain: C): string =>
    Object.values(chain)
      .map((part) => (part instanceof Uint8Array ? hashOf(part) : ''))
      .join(' ')
  let made:
    | undefined
    | Promise<{ readonly chain: C; readonly keys: ReadonlyMap<string, RawSigner>; readonly hashes: string }>
  return async () => {
    made ??= make().then((chain) => ({ chain, keys: new Map(messageKeys), hashes: hashesOf(chain) }))
    const { chain, keys, hashes } = await made
    if (hashesOf(chain) !== hashes) throw new Error('a test wrote into the bundles that all share')
    // Another file may have joined a ceremony of the same definition since.
    for (const [place, key] of keys) messageKeys.set(place, key)
    return chain
  }
}

/** The same ceremonies in a world of one's own, to go on from there. */
const beyond = async <C extends Chain>(chain: () => Promise<C>): Promise<C> => {
  const known = await chain()
  return { ...known, world: await copyWorld(known.world, 'beyond') }
}

/** For the files that only read it: those that one process runs share it. */
export const sharedChain = shared(memoryChain)
/** For those that go on in its world. */
export const ownChain = (): Promise<Chain> => beyond(sharedChain)

/** All three make new shares of the key: the bundle that this leaves too. */
const makeRefreshed = async (): Promise<RefreshedChain> => {
  const chain = await beyond(sharedChain)
  const { world, sign, keygen } = chain
  const { key, base } = sign
  const refresh = await refreshDefinition({ sites: keygen.sites, key, base })
  const [refreshed] = await joinAll(world, [...world.homes.keys()], refresh)
  if (refreshed === undefined) throw new Error('no new shares')
  return { ...chain, refresh, refreshBundle: await bundleIn(world, refreshed) }
}

export const sharedRefreshedChain = shared(makeRefreshed)
export const refreshedChain = (): Promise<RefreshedChain> => beyond(sharedRefreshedChain)

/** Two of them hand the key on to a third site in the place of the one that is lost. */
const resharedChain = async (): Promise<ResharedChain> => {
  const chain = await beyond(sharedRefreshedChain)
  const { world, refresh } = chain
  const homes = new Map([...world.homes, ['sa', await memoryHome('sa')] as const])
  const wider = { ...world, homes }
  const reshare = await reshareOf(wider, refresh, { sites: ['eu', 'us', 'sa'], threshold: 2, without: ['ap'] })
  const [reshared] = await joinAll(wider, ['eu', 'us', 'sa'], reshare)
  if (reshared === undefined) throw new Error('no new shares')
  return { ...chain, world: wider, reshare, reshareBundle: await bundleIn(wider, reshared) }
}

/** After them the share of us is made again for af. */
export interface RepairedChain extends ResharedChain {
  readonly repair: RepairDefinition
  readonly repairBundle: Uint8Array
}

const repairedChain = async (): Promise<RepairedChain> => {
  const chain = await resharedChain()
  const world = { ...chain.world, homes: new Map([...chain.world.homes, ['af', await memoryHome('af')] as const]) }
  const repair = await repairOf(world, chain.reshare, 'us', 'af')
  const [repaired] = await joinAll(world, ['eu', 'af', 'sa'], repair)
  if (repaired === undefined) throw new Error('no mended share')
  return { ...chain, world, repair, repairBundle: await bundleIn(world, repaired) }
}
export const sharedRepairedChain = shared(repairedChain)

/** The same key after it was given away. */
export interface ReconstructedChain extends RepairedChain {
  readonly reconstruct: ReconstructDefinition
  readonly reconstructBundle: Uint8Array
}

/** All that hold the key now give it to recipients outside. */
const reconstructedChain = async (): Promise<ReconstructedChain> => {
  const chain = await beyond(sharedRepairedChain)
  const reconstruct = await reconstructOf(chain.world, chain.repair)
  await approversApprove(chain.world, reconstruct.givers, reconstruct)
  const [given] = await joinAll(chain.world, reconstruct.givers, reconstruct)
  if (given === undefined) throw new Error('no key given')
  return { ...chain, reconstruct, reconstructBundle: await bundleIn(chain.world, given) }
}

export const sharedReconstructedChain = shared(reconstructedChain)

export interface ReadmittedChain extends RepairedChain {
  readonly readmit: ReadmitDefinition
  readonly readmitBundle: Uint8Array
  /** Signed afterwards, with the site that came back. */
  readonly afterBundle: Uint8Array
}

/** The home of a site comes back from a copy of before a signature, and the others take it back. */
const readmittedChain = async (): Promise<ReadmittedChain> => {
  const chain = await beyond(sharedRepairedChain)
  const { repair } = chain
  const sites = ['eu', 'af', 'sa']
  const old = await backupOf(chain.world, 'af')
  for (const end of await signatureBy(chain.world, repair, sites)) if (end.status === 'rejected') throw end.reason
  const world = await setBack(chain.world, 'af', old)
  const readmit = await readmitOf(world, repair, 'af')
  const [back] = await joinAll(world, sites, readmit)
  const [after] = await signatureBy(world, repair, ['eu', 'af'])
  if (back === undefined || after?.status !== 'fulfilled') throw new Error('not taken back')
  return {
    ...chain,
    ...{ world, readmit, readmitBundle: await bundleIn(world, back) },
    afterBundle: await bundleIn(world, after.value),
  }
}
export const sharedReadmittedChain = shared(readmittedChain)

export interface FencedChain extends RepairedChain {
  readonly emergency: EmergencyDefinition
  readonly emergencyBundle: Uint8Array
}

/** An emergency puts a fresh key in the place of that one, at the same sites. */
const fencedChain = async (): Promise<FencedChain> => {
  const chain = await beyond(sharedRepairedChain)
  const { world, repair } = chain
  const emergency = await emergencyOf(world, repair)
  const [fenced] = await joinAll(world, ['eu', 'af', 'sa'], emergency)
  if (fenced === undefined) throw new Error('no fresh key')
  return { ...chain, emergency, emergencyBundle: await bundleIn(world, fenced) }
}
export const sharedFencedChain = shared(fencedChain)

export interface RewrappedChain extends Chain {
  readonly rewrap: RewrapDefinition
  readonly rewrapBundle: Uint8Array
}

/** The share of eu under another KMS key. */
const rewrappedChain = async (): Promise<RewrappedChain> => {
  const chain = await beyond(sharedChain)
  const { world, keygen } = chain
  const from = keygen.sites.find(({ name }) => name === 'eu')?.kms ?? []
  await moveCard(world, 'eu', '/keys/eu-2.key')
  const rewrap = await rewrapOf(world, keygen, 'eu', from)
  const [sealed] = await joinAll(world, ['eu', 'us', 'ap'], rewrap, null, ['eu'])
  if (sealed === undefined) throw new Error('no new envelope')
  return { ...chain, rewrap, rewrapBundle: await bundleIn(world, sealed) }
}
export const sharedRewrappedChain = shared(rewrappedChain)

export const open = (bytes: Uint8Array): Promise<BundleReader> => readBundle(bufferSource(bytes))
