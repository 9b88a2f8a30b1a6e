import { openLog } from '../../src/audit/disk-log.ts'
import { ceremonyOrigin, ledgerOrigin } from '../../src/audit/note.ts'
import type { Authority } from '../../src/ceremony/definition/authority.ts'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import { approvalsFolder, logPath } from '../../src/ceremony/paths.ts'
import { KnownHeads } from '../../src/ceremony/peers/ledger-heads.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import type { Progress } from '../../src/ceremony/progress.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { type Home, openHome } from '../../src/identity/home.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import type { Disk } from '../../src/lib/ports.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { sealTo } from '../../src/recipients/seal.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { approvalCodec } from '../../src/records/identity.ts'
import { type MemoryDisk, memoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { type StillClock, stillClock } from '../../src/rehearsal/still-clock.ts'
import { shardStore } from '../../src/shards/store.ts'
import { memoryHome } from './home.ts'
import { kmsOf } from './kms.ts'
import { type MemoryNetwork, memoryNetwork } from './memory-wire.ts'
import { seededRandom } from './random.ts'

export interface MemoryWorld {
  /** Of the network and of all sites, as far as a test gives them no other. */
  readonly clock: StillClock
  readonly network: MemoryNetwork
  readonly homes: ReadonlyMap<string, { readonly home: Home; readonly disk: Disk }>
}

export const memoryWorld = async (names: readonly string[], seed = 'world'): Promise<MemoryWorld> => {
  const clock = stillClock()
  // The first import takes real time, which this clock would not see.
  await loadScheme('frost-ed25519')
  return {
    clock,
    network: memoryNetwork({ clock, random: seededRandom(seed) }),
    homes: new Map(await Promise.all(names.map(async (name) => [name, await memoryHome(name)] as const))),
  }
}

/** Homes copied from those of another world: what happens to them happens to nobody else. */
export const copyWorld = async (world: MemoryWorld, seed: string): Promise<MemoryWorld> => {
  const clock = stillClock(world.clock.now())
  return {
    clock,
    network: memoryNetwork({ clock, random: seededRandom(seed) }),
    homes: new Map(
      await Promise.all(
        [...world.homes].map(async ([name, { disk }]) => {
          const copy = await copyDisk(disk as MemoryDisk)
          return [name, { home: await openHome(copy), disk: copy }] as const
        }),
      ),
    ),
  }
}

export const copyDisk = async (disk: MemoryDisk): Promise<MemoryDisk> => {
  const copy = memoryDisk()
  const folders = new Set(
    [...disk.files.keys()].flatMap((path) => {
      const parts = path.split('/').slice(0, -1)
      return parts.map((_, at) => parts.slice(0, at + 1).join('/'))
    }),
  )
  for (const folder of [...folders].sort()) await copy.folder(folder)
  for (const [path, bytes] of disk.files) copy.files.set(path, bytes.slice())
  return copy
}

let joins = 0

/** A site over memory: its home's disk, the network of its world, a KMS key in memory. */
export const memorySite = async (
  world: MemoryWorld,
  name: string,
  changes: Partial<Site['machine']> = {},
): Promise<Site> => {
  const found = world.homes.get(name)
  if (found === undefined) throw new Error(`no home ${name}`)
  const home = await openHome(found.disk)
  const disk = found.disk
  const signer = home.keys.log
  const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer })
  if (ledger.size === 0) {
    ledger.append({ at: world.clock.now(), what: 'created', ceremony: null, site: null, object: null })
    await ledger.barrier()
  }
  joins += 1
  return {
    home,
    card: await home.card(),
    identityKey: await home.unlock(),
    machine: {
      clock: world.clock,
      random: seededRandom(`${name} ${joins}`),
      processId: joins,
      vmGeneration: null,
      build: 'b1'.repeat(32) as Hash,

      runtime: 'node 20.20.2',
      sdks: [],
      ...changes,
    },
    ledger,
    peerHeads: new KnownHeads(ledger),
    shards: shardStore(disk),
    ceremonyLog: (ceremony) =>
      openLog({ disk, path: logPath(ceremony), origin: ceremonyOrigin(ceremony, home.identity), signer }),
    connect: async (authority: Authority) => {
      const member = authority.roster.find((one) => one.identity === home.identity)
      return world.network.join(member?.name as SiteId, toEnvelope(home.certificates.note))
    },
    kms: async (slot) => kmsOf(name, slot),
    sealTo: (...given) => world.clock.hold(sealTo(...given)),
  }
}

/** Approves as `approve` would, without its questions. */
export const approveIn = async (world: MemoryWorld, name: string, definition: Definition): Promise<void> => {
  const found = world.homes.get(name)
  if (found === undefined) throw new Error(`no home ${name}`)
  const home = await openHome(found.disk)
  const key = await home.unlock()
  const ceremony = ceremonyId(definition)
  const approval = await key.signer.sign(approvalCodec, {
    ceremony,
    identity: home.identity,
    role: 'site',
    purpose: 'approve',
    at: world.clock.now(),
  })
  await found.disk.folder(approvalsFolder(ceremony))
  await found.disk.create(`${approvalsFolder(ceremony)}/${name}.dsse`, toEnvelope(approval))
}

export interface Running {
  readonly done: Promise<JoinResult>
  readonly events: Progress[]
  readonly stop: AbortController
}

export const startJoin = async (
  world: MemoryWorld,
  name: string,
  definition: Definition,
  message: Uint8Array | null = null,
  changes: Partial<Site> = {},
): Promise<Running> => {
  await world.clock.hold(loadScheme(definition.protocol))
  const site = { ...(await memorySite(world, name)), ...changes }
  const events: Progress[] = []
  const stop = new AbortController()
  const done = joinCeremony(site, definition, {
    progress: (event) => events.push(event),
    signal: stop.signal,
    message,
    check: false,
  })
  return { done, events, stop }
}
