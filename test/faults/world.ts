import { approvalsFolder } from '../../src/ceremony/paths.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { createHome, openHome } from '../../src/identity/home.ts'
import { durableFolder, writeDurable } from '../../src/lib/durable.ts'
import type { Disk } from '../../src/lib/ports.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { approvalCodec } from '../../src/records/identity.ts'
import { siteOptions } from '../support/home.ts'
import { seededRandom } from '../support/random.ts'
import { type SimDisk, seeded, simDisk } from '../support/sim-disk.ts'

/** All files below a folder, by path. */
export const filesIn = async (disk: Disk, folder = '.'): Promise<ReadonlyMap<string, Uint8Array>> => {
  const found = new Map<string, Uint8Array>()
  for (const name of await disk.list(folder)) {
    const path = folder === '.' ? name : `${folder}/${name}`
    const bytes = await disk.read(path)
    if (bytes !== undefined) found.set(path, bytes)
    else for (const [inner, its] of await filesIn(disk, path)) found.set(inner, its)
  }
  return found
}

/** A disk with the same files, all durable. */
export const copyOf = async (files: ReadonlyMap<string, Uint8Array>, seed: number): Promise<SimDisk> => {
  const disk = simDisk(seeded(seed))
  const folders = new Set<string>()
  for (const [path, bytes] of files) {
    const folder = path.split('/').slice(0, -1).join('/')
    if (folder !== '' && !folders.has(folder)) await durableFolder(disk, folder)
    folders.add(folder)
    await writeDurable(disk, path, bytes)
  }
  return disk
}

/** Files of a site's home that is just made. */
export const newHome = async (name: string): Promise<ReadonlyMap<string, Uint8Array>> => {
  // The first import takes real time, which a still clock would not see.
  await loadScheme('frost-ed25519')
  const disk = simDisk()
  await createHome(disk, siteOptions(name), seededRandom(`home ${name}`))
  return filesIn(disk)
}

/** The home's approval of a definition, as `approve` leaves it. */
export const approveOn = async (disk: Disk, name: string, definition: Definition): Promise<void> => {
  const home = await openHome(disk)
  const key = await home.unlock()
  const ceremony = ceremonyId(definition)
  const approval = await key.signer.sign(approvalCodec, {
    ceremony,
    identity: home.identity,
    role: 'site',
    purpose: 'approve',
    at: Date.now(),
  })
  await durableFolder(disk, approvalsFolder(ceremony))
  await writeDurable(disk, `${approvalsFolder(ceremony)}/${name}.dsse`, toEnvelope(approval))
}
