import type { SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { blameFault, publishProof } from '../blame/claims.ts'
import { closeAndWriteOwnBundle, writeOwnBundle } from '../close/own-bundle.ts'
import { BlameError } from '../session/endings.ts'
import { abortHere, endWithOthers } from './aborts.ts'
import { keepForgottenRecord } from './open.ts'
import type { Run } from './run.ts'

/** Does what an error leaves to be done, and returns the error that the operator reads. */
export const endRun = async (run: Run, error: unknown): Promise<unknown> => {
  const { ceremony } = run
  // Whoever asked for the abort was promised that the others hear of it.
  const unsaid = await ceremony.aborting?.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (unsaid !== undefined) return unsaid
  if (error instanceof BlameError) return endByProof(run, error)
  if (error instanceof QuorateError && error.code === 'E_SITE_ROLLED_BACK') return endForgetful(run, error)
  if (error instanceof QuorateError && error.code === 'E_ABORTED') return endAborted(run, error)
  await ceremony.barrier().catch(() => undefined)
  return error
}

/**
 * Proven blame in a fixed roster ends the ceremony here, with a bundle that shows why. A site that is bound gives no
 * abort: others may have finished with what it sent, and it asks them at each join.
 */
const endByProof = async (run: Run, { blame }: BlameError): Promise<QuorateError> => {
  const { ceremony, peers, kind } = run
  await publishProof(run, peers, blame)
  const bound = kind.boundBy(ceremony.log, ceremony.seat.name, ceremony.authority.definition)
  if (bound === undefined) await abortHere(ceremony, peers, `blame: ${blame.check}`)
  await peers.flush(2000)
  if (kind.result(ceremony) !== undefined) return blameFault(blame, undefined, bound)
  const write = bound === undefined ? closeAndWriteOwnBundle : writeOwnBundle
  return blameFault(blame, await write(ceremony, toBeSigned(run)), bound)
}

/** Each peer is to see for itself that this home was set back: nobody else's word for it would do. */
const endForgetful = async ({ ceremony, peers }: Run, error: QuorateError): Promise<QuorateError> => {
  await keepForgottenRecord(ceremony, error)
  const { store, authority } = ceremony
  await store.until(() => peers.ledgers.shownToAll || undefined, authority.terms.deadlines.proposal * 1000)
  await peers.flush(2000)
  return error
}

const endAborted = async (run: Run, error: QuorateError): Promise<QuorateError> => {
  const { ceremony, peers, claims } = run
  const { proposal } = ceremony.authority.definition.deadlines
  // Whoever left over a proof says both; what the proof rests on may come after them.
  await ceremony.store.until(() => !claims.waiting || undefined, proposal * 1000)
  if (!ceremony.aborted) await endWithOthers(ceremony, peers, (error.details['left'] ?? []) as readonly SiteId[])
  await peers.flush(1000)
  const path = await (ceremony.aborted
    ? closeAndWriteOwnBundle(ceremony, toBeSigned(run))
    : writeOwnBundle(ceremony, toBeSigned(run)))
  const hint = `${error.template}; what this site’s log says of it is in {bundle}`
  return new QuorateError(error.code, error.message, hint, { ...error.details, bundle: path }, error)
}

/** The bundle of a ceremony that made nothing shows the message besides the log: proofs of blame rest on it. */
const toBeSigned = ({ prepared: { message } }: Run): ReadonlyMap<string, Uint8Array> =>
  new Map(message === undefined ? [] : [['message', message]])
