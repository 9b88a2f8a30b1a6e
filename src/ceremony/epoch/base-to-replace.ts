import { ceremonyId, type Successor } from '../../records/definition.ts'
import { type Finding, refuseErrors } from '../definition/finding.ts'
import { keyBaseOf } from '../definition/key-base.ts'
import type { KeyBase } from '../definition/lint-key.ts'
import type { Site } from '../ports.ts'
import { hasDealtAway } from './dealt.ts'
import { type Epoch, newestEpoch, replacedEpoch } from './epoch.ts'
import { boundByVote } from './epoch-result.ts'
import { givenShares } from './given-shares.ts'
import { refuseOtherParts } from './rivals.ts'

/**
 * The epoch that a definition replaces, at a site that holds a share of it. A site that is bound finishes, whatever it
 * holds since; before that the epoch must be its newest, and this site in no other ceremony that replaces it.
 */
export const baseToReplace = async <D extends Successor>(
  site: Site,
  definition: D,
  lint: (definition: D, base: KeyBase) => readonly Finding[],
): Promise<Epoch> => {
  const log = await site.ceremonyLog(ceremonyId(definition))
  const name = definition.sites.find(({ identity }) => identity === site.home.identity)?.name
  const isBound =
    name !== undefined &&
    (boundByVote(log, name) !== undefined ||
      hasDealtAway(log, name, definition) ||
      [...log.replay()].some((event) => event.what === 'ready-set'))
  if (isBound) return replacedEpoch(log, definition)
  const newest = await newestEpoch(site, definition.key)
  const given = await givenShares(site, newest.key, newest.hash)
  refuseErrors(lint(definition, { ...(await keyBaseOf(site, newest)), given }))
  await refuseOtherParts(site, definition)
  return newest
}
