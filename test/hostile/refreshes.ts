import { expect } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import { ledgerOrigin } from '../../src/audit/note.ts'
import { KnownHeads } from '../../src/ceremony/peers/ledger-heads.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import { toFault } from '../../src/cli/fault.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import type { StoredEpoch } from '../../src/shards/epochs.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, refreshDefinition, siteEntries } from '../support/definition.ts'
import { copyWorld, type MemoryWorld, memoryWorld } from '../support/memory-site.ts'
import { approveAll, type JoinChanges, type Joined, joinAs } from './ceremonies.ts'

export const deadlines = { gather: 30, proposal: 5, round: 30, close: 16 }

export const diskOf = (world: MemoryWorld, name: SiteId): MemoryDisk =>
  (world.homes.get(name) ?? expect.fail(`no home ${name}`)).disk as MemoryDisk

export const epochsAt = (world: MemoryWorld, name: SiteId): Promise<readonly StoredEpoch[]> =>
  shardStore(diskOf(world, name)).list()

/** `epoch number, state` of each epoch that a home holds. */
export const heldAt = async (world: MemoryWorld, name: SiteId): Promise<readonly string[]> =>
  (await epochsAt(world, name)).map(({ core, state }) => `${core.epoch} ${state}`)

/** Folder of an epoch in a home. */
export const folderAt = async (world: MemoryWorld, name: SiteId, epoch: number): Promise<string> => {
  const { key, outcome } =
    (await epochsAt(world, name)).find(({ core }) => core.epoch === epoch) ?? expect.fail(`no epoch ${epoch}`)
  return `keys/${key}/${outcome}`
}

export const recordHash = ({ record }: StoredEpoch): Hash => hashOf(recordCodec.encode(record ?? expect.fail()))

/** Sites that have made a key. Copy the world before each case. */
export interface KeyHolders {
  readonly world: MemoryWorld
  readonly key: Hash
  readonly base: Hash
  /** The definition of a refresh of the first epoch, or of what `changes` names. */
  refresh(changes?: Parameters<typeof refreshDefinition>[0]): Promise<Definition>
}

export const keyHolders = async (names: readonly SiteId[], threshold = 2): Promise<KeyHolders> => {
  const world = await memoryWorld(names)
  const sites = await siteEntries(names)
  const keygen = await keygenDefinition({ sites, threshold, deadlines })
  await approveAll(world, names, keygen)
  for (const { error } of await Promise.all(names.map((name) => joinAs(world, name, keygen, null))))
    if (error !== undefined) throw error
  const [epoch] = await epochsAt(world, names[0] as SiteId)
  const { key } = epoch ?? expect.fail('no key')
  const base = recordHash(epoch ?? expect.fail('no key'))
  return {
    world,
    key,
    base,
    refresh: (changes = {}) => refreshDefinition({ sites, threshold, key, base, deadlines, attempts: 8, ...changes }),
  }
}

/** Homes of their own for one case. */
export const caseOf = ({ world }: Pick<KeyHolders, 'world'>, seed: string): Promise<MemoryWorld> =>
  copyWorld(world, seed)

/** One join of each. */
export const joinTogether = (
  world: MemoryWorld,
  names: readonly SiteId[],
  definition: Definition,
  message: Uint8Array | null = null,
): Promise<readonly Joined[]> => Promise.all(names.map((name) => joinAs(world, name, definition, message)))

export const said = ({ error, result }: Joined): string =>
  error === undefined ? (result?.state ?? 'nothing') : toFault(error).code

/** One owner of a home, for all the ceremonies that it serves at once: its ledger and its shards have one writer. */
export const ownerOf = async (world: MemoryWorld, name: SiteId): Promise<Partial<Site>> => {
  const { home } = world.homes.get(name) ?? expect.fail(`no home ${name}`)
  const disk = diskOf(world, name)
  const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer: home.keys.log })
  return { ledger, peerHeads: new KnownHeads(ledger), shards: shardStore(disk) }
}

/** Ends a join where it says that a step has got so far, as its operator would who interrupts it. */
export const stoppedAt = (step: string, got: number): JoinChanges => {
  const stop = new AbortController()
  return {
    stop: stop.signal,
    progress: (event) => {
      if (event.phase === 'step' && event.step === step && event.got >= got)
        stop.abort(new QuorateError('E_STOPPED', 'stopped', 'a test'))
    },
  }
}
