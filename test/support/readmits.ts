import { openLog } from '../../src/audit/disk-log.ts'
import { ledgerOrigin } from '../../src/audit/note.ts'
import { openHome } from '../../src/identity/home.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition, receiversIn } from '../../src/records/definition.ts'
import type { ReadmitDefinition } from '../../src/records/kinds/readmit.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { readmitDefinition } from './definition.ts'
import { copyDisk, type MemoryWorld } from './memory-site.ts'
import { newestAt, recordHashOf } from './reshares.ts'

const diskOf = (world: MemoryWorld, name: string): MemoryDisk => {
  const found = world.homes.get(name)?.disk
  if (found === undefined) throw new Error(`no home ${name}`)
  return found as MemoryDisk
}

/** A site's home as it is now, to be put back later. */
export const backupOf = (world: MemoryWorld, name: string): Promise<MemoryDisk> => copyDisk(diskOf(world, name))

/** A world like this one, in which a home came back from this copy; nothing that happens there happens here. */
export const setBack = async (world: MemoryWorld, name: string, copy: MemoryDisk): Promise<MemoryWorld> => {
  const homes = await Promise.all(
    [...world.homes.keys()].map(async (one) => {
      const disk = await copyDisk(one === name ? copy : diskOf(world, one))
      return [one, { home: await openHome(disk), disk }] as const
    }),
  )
  return { ...world, homes: new Map(homes) }
}

/** The ledger of a site, as its last barrier left it. */
export const ledgerOf = async (world: MemoryWorld, name: string) => {
  const disk = diskOf(world, name)
  const home = await openHome(disk)
  return openLog({ disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer: home.keys.log })
}

/** Its head, as a definition names it. */
export const headOf = async (world: MemoryWorld, name: string): Promise<ReadmitDefinition['ledger']> => {
  const { head } = await ledgerOf(world, name)
  if (head === undefined) throw new Error('no ledger')
  return { size: head.size, root: head.root }
}

/** Takes a site back into the newest epoch of `made`, with its ledger as it is now. */
export const readmitOf = async (
  world: MemoryWorld,
  made: Definition,
  returning: string,
  changes: Partial<ReadmitDefinition> = {},
): Promise<ReadmitDefinition> => {
  const sites = [...receiversIn(made)]
  const others = sites.map(({ name }) => name).filter((name) => name !== returning)
  const base = await newestAt(world, others[0] ?? '')
  const head = await headOf(world, returning)
  return readmitDefinition({
    name: made.name,
    protocol: made.protocol,
    nonce: hashOf(new TextEncoder().encode(`${ceremonyId(made)} ${returning} ${head.root}`)).slice(0, 32),
    threshold: made.threshold,
    sites,
    key: base.key,
    base: recordHashOf(base),
    returning: returning as SiteId,
    ledger: head,
    helpers: others,
    ...changes,
  })
}
