import type { SiteId } from '../../src/lib/brand.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { RepairDefinition } from '../../src/records/kinds/repair.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { type MemoryWorld, memorySite, memoryWorld } from '../support/memory-site.ts'
import { repairOf, reshareOf } from '../support/reshares.ts'
import { approveAll, joinAs } from './ceremonies.ts'
import { deadlines } from './refreshes.ts'

interface To {
  readonly sites: readonly SiteId[]
  readonly threshold?: number
  readonly without?: readonly SiteId[]
  readonly nonce?: string
}

/** Sites that have made a key, beside others that hold none of it. Copy the world before each case. */
export interface Owners {
  readonly world: MemoryWorld
  readonly keygen: Definition
  /** The definition that hands the first epoch on. */
  reshare(to: To): Promise<ReshareDefinition>
  /** The definition that gives the share which `lost` has of it to `mended`. */
  repair(lost: SiteId, mended: SiteId, nonce?: string): Promise<RepairDefinition>
}

export const keyOwners = async (old: readonly SiteId[], others: readonly SiteId[], threshold = 2): Promise<Owners> => {
  const world = await memoryWorld([...old, ...others])
  const keygen = await keygenDefinition({ sites: await siteEntries(old), threshold, deadlines })
  await approveAll(world, old, keygen)
  // Each has a ledger from the start, as a home has.
  for (const name of others) await memorySite(world, name)
  for (const { error } of await Promise.all(old.map((name) => joinAs(world, name, keygen, null))))
    if (error !== undefined) throw error
  return {
    world,
    keygen,
    reshare: async ({ sites, threshold: quorum = 2, without = [], nonce = '11'.repeat(16) }) => ({
      ...(await reshareOf(world, keygen, { sites, threshold: quorum, without })),
      deadlines,
      nonce,
      attempts: 8,
    }),
    repair: async (lost, mended, nonce = '11'.repeat(16)) => ({
      ...(await repairOf(world, keygen, lost, mended)),
      deadlines,
      nonce,
      attempts: 8,
    }),
  }
}
