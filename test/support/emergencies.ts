import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition, receiversIn } from '../../src/records/definition.ts'
import type { EmergencyDefinition } from '../../src/records/kinds/emergency.ts'
import { emergencyDefinition, siteEntries } from './definition.ts'
import type { MemoryWorld } from './memory-site.ts'
import { newestAt, recordHashOf } from './reshares.ts'

/** The definition that puts a fresh key of these sites in the place of the one that `made` has made. */
export const emergencyOf = async (
  world: MemoryWorld,
  made: Definition,
  changes: Partial<EmergencyDefinition> & { readonly names?: readonly string[] } = {},
): Promise<EmergencyDefinition> => {
  const old = receiversIn(made)
  const newest = await newestAt(world, old[0]?.name ?? '')
  const { names, ...others } = changes
  const common = await emergencyDefinition({ protocol: made.protocol })
  return {
    ...common,
    nonce: hashOf(new TextEncoder().encode(`emergency ${ceremonyId(made)} ${names?.join()}`)).slice(0, 32),
    sites: await siteEntries(names ?? old.map(({ name }) => name)),
    fences: {
      ...common.fences,
      key: newest.key,
      base: recordHashOf(newest),
      name: made.name,
      threshold: made.threshold,
      holders: old.map(({ name, identity }) => ({ name, identity })),
    },
    ...others,
  }
}
