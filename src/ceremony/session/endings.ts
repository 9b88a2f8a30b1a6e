import type { SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Blame } from '../../records/round.ts'
import { roundWords } from './round-spec.ts'

/** Ends a session with a proof against one participant. */
export class BlameError extends Error {
  override readonly name = 'BlameError'
  readonly blame: Blame
  constructor(blame: Blame) {
    super(`${blame.accused}: ${blame.check}`)
    this.blame = blame
  }
}

/** Ends a session because a deadline passed; accuses nobody. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError'
  readonly missing: readonly SiteId[]
  readonly round: string
  /** How long was waited. */
  readonly seconds: number
  constructor(missing: readonly SiteId[], round: string, seconds: number) {
    super(`nothing from ${missing.join(', ')} in ${roundWords(round)}`)
    this.missing = missing
    this.round = round
    this.seconds = seconds
  }
}

/** Ends a session in which a peer got a message that this site's key signed and this process did not send. */
export const cloned = (self: SiteId): QuorateError =>
  new QuorateError(
    'E_SITE_ROLLED_BACK',
    `another process signs for ${self} in this session, under the same key`,
    'this home was cloned or restored while it ran: stop all copies, do not use this home, and tell the other sites',
    { site: self },
  )
