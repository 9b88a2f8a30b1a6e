import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Outcome } from '../records/outcome.ts'
import { shortId } from '../records/short-id.ts'

/**
 * Throws where a share of another ceremony's successor of the same record is here. A site votes for one successor of a
 * record, and all sites hold a share of it before any votes: while each holds shares of one ceremony alone, votes for two
 * cannot part them. A site that leaves a ceremony drops its shares.
 */
export const refuseRival = (
  epochs: readonly { readonly made: Outcome | undefined }[],
  { base, ceremony }: Pick<Outcome, 'base' | 'ceremony'>,
): void => {
  const rival = epochs.find(({ made }) => base !== null && made?.base === base && made.ceremony !== ceremony)?.made
  if (rival !== undefined) throw rivalFound(rival.ceremony)
}

export const rivalFound = (ceremony: Hash): QuorateError => {
  const id = shortId(ceremony)
  return new QuorateError(
    'E_NOT_FINISHED',
    `this site has a part in ceremony ${id}, which replaces the same record`,
    `finish that one first: quorate rotate join --ceremony ${id}. Where it cannot be finished and this site has not voted in it, leave it: quorate rotate abort --ceremony ${id}`,
    { ceremony },
  )
}
