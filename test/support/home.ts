import { createHome, type Home, type NewHome } from '../../src/identity/home.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { type MemoryDisk, memoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { seededRandom } from './random.ts'

export const siteOptions = (name: string): NewHome & { role: 'site' } => ({
  role: 'site',
  name: name as SiteId,
  kms: [{ provider: 'local', key: `/keys/${name}.key` }],
  stores: ['home'],
  jurisdiction: name.toUpperCase(),
  control: { organisation: `${name} org`, account: `${name} account`, administrator: `${name} admin` },
})

/** A whole site home in memory; the same name gives the same keys. */
export const memoryHome = async (
  name: string,
  options: Partial<NewHome> = {},
): Promise<{ readonly home: Home; readonly disk: MemoryDisk }> => {
  const disk = memoryDisk()
  const wanted = { ...siteOptions(name), ...options } as NewHome
  return { home: await createHome(disk, wanted, seededRandom(`home ${name}`)), disk }
}
