import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { ceremonyId, type Definition, fenceIn } from '../../records/definition.ts'
import { shortId } from '../../records/short-id.ts'
import { definitionAt } from '../definition/definition-at.ts'
import type { Votes } from './rivals.ts'

type Parts = Pick<Votes, 'home' | 'ledger' | 'ceremonyLog'>

/** An emergency of a key in which this site has a part. */
interface Emergency {
  readonly ceremony: Hash
  readonly definition: Definition
  /** `open`: it may still run, or does. `voted`: this site voted, and lacks others' votes. `made`: the fresh key is in use. */
  readonly state: 'open' | 'voted' | 'made'
}

/** Emergencies of a key that this site approved, by its ledger; without those that it left, or that ended in nothing. */
export const emergenciesOf = async (site: Parts, key: Hash): Promise<readonly Emergency[]> => {
  const said = new Map<Hash, Set<string>>()
  for (const { what, ceremony } of site.ledger.replay())
    if (ceremony !== null) said.set(ceremony, (said.get(ceremony) ?? new Set()).add(what))
  const found: Emergency[] = []
  for (const [ceremony, words] of said) {
    if (!words.has('approved') && !words.has('log-opened')) continue
    const definition = await definitionAt(site, ceremony)
    if (definition === undefined || fenceIn(definition)?.key !== key) continue
    if (words.has('installed')) found.push({ ceremony, definition, state: 'made' })
    else if (words.has('ready')) found.push({ ceremony, definition, state: 'voted' })
    else if (!words.has('aborted') && !words.has('log-closed')) found.push({ ceremony, definition, state: 'open' })
  }
  return found
}

/**
 * Throws where this site has a part in another emergency of the same key: two fresh keys in the place of one would leave
 * people to guess which counts. All sites approve, and each approves one, so of two that name one honest site one comes
 * true. A vote that waits for others for ever stands in nobody's way.
 */
export const refuseOtherEmergency = async (site: Parts, definition: Definition): Promise<void> => {
  const fence = fenceIn(definition)
  if (fence === undefined) return
  const others = (await emergenciesOf(site, fence.key)).filter(({ ceremony }) => ceremony !== ceremonyId(definition))
  const rival = others.find(({ state }) => state !== 'voted')
  if (rival === undefined) return
  const { ceremony, state } = rival
  const id = shortId(ceremony)
  if (state === 'made')
    throw new QuorateError(
      'E_CONSUMED',
      `ceremony ${id} put a fresh key in the place of this one already`,
      `where the fresh key is in danger too, fence that one: quorate keys list names it`,
      { ceremony },
    )
  throw new QuorateError(
    'E_NOT_FINISHED',
    `this site has a part in ceremony ${id}, an emergency of the same key`,
    `agree on one of the two: finish that one (quorate rotate join --ceremony ${id}), or leave it (quorate rotate abort --ceremony ${id}) and run this again`,
    { ceremony },
  )
}
