import { allGivenAway } from '../ceremony/epoch/given-away.ts'
import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { ceremonyId } from '../records/definition.ts'
import { recipientId } from '../records/recipient-id.ts'
import { votesOfHome } from './votes.ts'

/** A ceremony in which this home gave its share to recipients of the whole key. */
export interface WholeKeyHere {
  readonly key: Hash
  readonly ceremony: Hash
  /** By this site's own clock. */
  readonly at: string
  readonly recipients: readonly { readonly name: string; readonly id: string }[]
  readonly reason: string
}

/** All of them, oldest first; none where this home has no ledger that can be read. */
export const allWholeKeys = async (home: string): Promise<readonly WholeKeyHere[]> => {
  try {
    const all = await votesOfHome(home, allGivenAway)
    return all.map(({ definition, at }) => ({
      key: definition.key,
      ceremony: ceremonyId(definition),
      at: `${new Date(at).toISOString().slice(0, 19)}Z`,
      recipients: definition.recipients.map((to) => ({ name: to.name, id: recipientId(to) })),
      reason: definition.reason,
    }))
  } catch (error) {
    if (error instanceof QuorateError) return []
    throw error
  }
}

/** The same of one key. */
export const wholeKeysOf = async (home: string, key: Hash | null): Promise<readonly WholeKeyHere[]> =>
  key === null ? [] : (await allWholeKeys(home)).filter((one) => one.key === key)
