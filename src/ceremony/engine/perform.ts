import type { SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { guilty, publishProof } from '../blame/claims.ts'
import { hedged } from '../hedge.ts'
import { postNote } from '../peers/notes.ts'
import { BlameError, SilenceError } from '../session/endings.ts'
import { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
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
  const over = new AbortController()
  void endOnceSettled(run, session, over.signal)
  await postNote(ceremony, peers, 'running')
  try {
    claims.judgePending()
    await run.work.attempt(session, attempt)
    return undefined
  } catch (failure) {
    // A vote or a result that stands in the log is not taken back by what fails after it.
    const error = claims.judgePending() ?? failure
    if (ceremony.phase === 'running' || ceremony.phase === 'staged') {
      session.recordUnconfirmed()
      ceremony.note('failed', undefined, null, attempt.hash)
    }
    return await afterFailure(run, error)
  } finally {
    over.abort()
    signal.removeEventListener('abort', stop)
    peers.detachSession()
    session.wipe()
    ceremony.store.changed()
  }
}

/** Another attempt of chosen sites made what this one is to make: whoever is in both does not come back to this one. */
class SettledError extends Error {
  override readonly name = 'SettledError'
  constructor() {
    super('another attempt made the signature')
  }
}

/** Ends a session that nobody needs any more. The messages of one that made it are given time to be taken in. */
const endOnceSettled = async ({ ceremony, work }: Run, session: Session, over: AbortSignal): Promise<void> => {
  const { authority, store, site } = ceremony
  if (authority.fixed) return
  const grace = authority.terms.deadlines.proposal * 1000
  try {
    await store.until(() => (work.isSettled() ? true : undefined), 2 ** 31 - 1, over)
    await site.machine.clock.sleep(grace, over)
    session.fail(new SettledError())
  } catch (error) {
    if (!over.aborted) session.fail(error as Error)
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
    roundMs: roundMs(ceremony, attempt),
    relays: !authority.fixed && attempt.value.coordinator === seat.name,
    send: (to, bytes) => peers.sendInSession(attempt.hash, to, bytes),
    record: (bytes, from) => ceremony.note('message', bytes, from),
    progress: (state) => options.progress({ phase: 'round', ...state }),
  })
}

/**
 * Longest wait for the messages of a round. Where seats are chosen, the coordinator is waited for a little longer than it
 * waits itself: what reaches it at the last moment it still passes on.
 */
const roundMs = ({ authority, seat }: Ceremony, { value }: HeldAttempt): number => {
  const { round, proposal } = authority.terms.deadlines
  return 1000 * (authority.fixed || value.coordinator === seat.name ? round : round + proposal)
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
  if (error instanceof SettledError) return { absent: [], reason: error.message }
  if (error instanceof QuorateError && error.code === 'E_PEER_RESTARTED')
    return { absent: [error.details['site'] as SiteId], reason: error.message }
  if (error instanceof SilenceError) {
    await ceremony.barrier()
    if (authority.fixed) throw silence(run, error)
    return { absent: error.missing, reason: error.message }
  }
  throw error
}

const silence = ({ ceremony }: Run, { message, missing, round, seconds }: SilenceError): QuorateError => {
  const { terms, topic } = ceremony.authority
  const { attempts } = terms
  return new QuorateError(
    'E_PEER_SILENT',
    `${message} (${seconds} s)`,
    `${missing.join(', ')}’s operator: look at \`quorate ${topic} status\` there. The others can run join again at once; this was attempt ${ceremony.attempts.length} of ${attempts}`,
    { missing, round },
  )
}
