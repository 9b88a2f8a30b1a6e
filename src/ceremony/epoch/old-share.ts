import { ceremonyId, type Handover, recordKind } from '../../records/definition.ts'
import type { Finding } from '../definition/finding.ts'
import type { KeyBase } from '../definition/lint-key.ts'
import type { Site } from '../ports.ts'
import { baseToReplace } from './base-to-replace.ts'
import type { Epoch } from './epoch.ts'
import { boundByVote } from './epoch-result.ts'
import { refuseOtherKey } from './known-key.ts'

/**
 * The epoch that a definition replaces, where this site holds a share of it; undefined at one that holds none, whose home
 * must not know otherwise of the key (see refuseOtherKey). A site that is bound finishes, whatever its home knows since.
 */
export const oldEpochAt = async <D extends Handover>(
  site: Site,
  definition: D,
  lint: (definition: D, base: KeyBase) => readonly Finding[],
): Promise<Epoch | undefined> => {
  const own = definition.sites.find(({ identity }) => identity === site.home.identity)
  if (own === undefined) return undefined
  if (recordKind(definition).replaces(definition)?.sites.includes(own.name) === true)
    return baseToReplace(site, definition, lint)
  if (boundByVote(await site.ceremonyLog(ceremonyId(definition)), own.name) === undefined)
    await refuseOtherKey(site, definition)
  return undefined
}
