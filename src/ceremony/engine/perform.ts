import type { SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { guilty, publishProof } from '../blame/claims.ts'
import { hedged } from '../hedge.ts'
import { postNote } from '../peers/notes.ts'
import { BlameError, Session, SilenceError } from '../session/session.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { Run } from './run.ts'

/** An attempt that came to nothing, where another may follow. */
interface Failed {
  /** Sites that were missing, or came back in the middle of it. */
  readonly absent: readonly SiteId[]
  readonly reason: string
}

/** Runs one agreed attempt. Undefined: this site is bound to what it made. Throws what ends the join. */
export const performAttempt = async (run: Run, attempt: HeldAttempt): Promise<Failed | undefined> => {
  const { ceremony, peers, claims } = run
  const session = openSession(run, attempt)
  const { signal } = ceremony.options
  const stop = (): void => session.fail(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  peers.attachSession(attempt.hash, session)
  await postNote(ceremony, peers, 'running')
  try {
    claims.judgePending()
    await run.work.attempt(session, attempt)
    return undefined
  } catch (failure) {
    // A vote or a result that stands in the log is not taken back by what fails after it.
    const error = claims.judgePending() ?? failure
    if (ceremony.phase === 'running' || ceremony.phase === 'staged')
      ceremony.note('failed', undefined, null, attempt.hash)
    return await afterFailure(run, error)
  } finally {
    signal.removeEventListener('abort', stop)
    peers.detachSession()
    session.wipe()
    ceremony.store.changed()
  }
}

const openSession = ({ ceremony, peers }: Run, attempt: HeldAttempt): Session => {
  const { options, authority, seat, site } = ceremony
  return new Session({
    ceremony: authority.hash,
    attempt: attempt.hash,
    parties: attempt.value.participants.map(({ site: name, key }) => ({ site: name, key })),
    self: seat.name,
    signer: ceremony.keys.message.raw,
    clock: site.machine.clock,
    random: hedged(site, attempt.hash, 'message salts'),
    roundMs: authority.terms.deadlines.round * 1000,
    send: (to, bytes) => peers.sendInSession(attempt.hash, to, bytes),
    record: (bytes, from) => ceremony.note('message', bytes, from),
    progress: (state) => options.progress({ phase: 'round', ...state }),
  })
}

const afterFailure = async (run: Run, error: unknown): Promise<Failed> => {
  const { ceremony, peers } = run
  const { authority } = ceremony
  if (error instanceof BlameError) {
    await publishProof(run, peers, error.blame)
    const left = authority.candidates.filter((member) => !guilty(run).has(member.name))
    if (authority.fixed || left.length < authority.seats) throw error
    return { absent: [], reason: error.message }
  }
  if (error instanceof QuorateError && error.code === 'E_PEER_RESTARTED')
    return { absent: [error.details['site'] as SiteId], reason: error.message }
  if (error instanceof SilenceError) {
    await ceremony.barrier()
    if (authority.fixed) throw silence(run, error)
    return { absent: error.missing, reason: error.message }
  }
  throw error
}

const silence = ({ ceremony }: Run, { message, missing, round }: SilenceError): QuorateError => {
  const { terms, kind } = ceremony.authority
  const { deadlines, attempts } = terms
  return new QuorateError(
    'E_PEER_SILENT',
    `${message} (${deadlines.round} s)`,
    `${missing.join(', ')}’s operator: look at \`quorate ${kind} status\` there. The others can run join again at once; this was attempt ${ceremony.attempts.length} of ${attempts}`,
    { missing, round },
  )
}
