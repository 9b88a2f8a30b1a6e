import { fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition, receiversIn } from '../../src/records/definition.ts'
import type { KmsSlot, SiteEntry } from '../../src/records/definition-fields.ts'
import type { RewrapDefinition } from '../../src/records/kinds/rewrap.ts'
import { rewrapDefinition } from './definition.ts'
import type { MemoryWorld } from './memory-site.ts'
import { newestAt, recordHashOf } from './reshares.ts'

/** The operator of a site puts this KMS key into its site.yaml; returns the card. */
export const moveCard = async (
  { homes }: MemoryWorld,
  name: string,
  ...keys: readonly string[]
): Promise<SiteEntry> => {
  const { home, disk } = homes.get(name) ?? {}
  const text = await disk?.read('site.yaml')
  if (home === undefined || disk === undefined || text === undefined) throw new Error(`no home ${name}`)
  await disk.remove('site.yaml')
  const slots = keys.map((key) => `  - provider: local\n    key: ${key}\n`)
  const moved = fromUtf8(text).replace(/^kms:\n(?: .*\n)+/m, `kms:\n${slots.join('')}`)
  if (moved === fromUtf8(text)) throw new Error('a card as it was')
  await disk.create('site.yaml', utf8(moved))
  return home.card()
}

/** The definition that seals the share of `site` in the newest epoch of `made` under the key of its card today. */
export const rewrapOf = async (
  world: MemoryWorld,
  made: Definition,
  site: string,
  from: readonly KmsSlot[],
  changes: Partial<RewrapDefinition> = {},
): Promise<RewrapDefinition> => {
  const sites = await Promise.all(
    receiversIn(made).map(async (entry) => (await world.homes.get(entry.name)?.home.card()) ?? entry),
  )
  const base = await newestAt(world, site)
  const { publicKey, verifyingShares, threshold } = base.made
  return rewrapDefinition({
    name: made.name,
    protocol: made.protocol,
    nonce: hashOf(utf8(`${ceremonyId(made)} rewrap ${site} ${base.envelope}`)).slice(0, 32),
    threshold,
    sites,
    key: base.key,
    base: recordHashOf(base),
    of: { publicKey, verifyingShares: [...verifyingShares] },
    site: site as never,
    old: { envelope: base.envelope, kms: [...from] },
    witnesses: sites.map(({ name }) => name).filter((name) => name !== site),
    ...changes,
  })
}
