import { toEnvelope } from '../../identity/dsse.ts'
import type { Hash, Identity, SiteId } from '../../lib/brand.ts'
import { fromHex, fromUtf8, utf8 } from '../../lib/bytes.ts'
import { writeDurable } from '../../lib/durable.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import { loadProtocols } from '../../mpc/registry.ts'
import { DecodeError } from '../../records/codec.ts'
import { type Definition, definitionCodec } from '../../records/definition.ts'
import { outcomeCodec, recordCodec, type SignResult } from '../../records/outcome.ts'
import type { Blame } from '../../records/round.ts'
import { blameFault, guilty, isProven, type JudgeFacts, publishProof, recordBlame, verdictOn } from '../blame/claims.ts'
import {
  type Closed,
  closeAndWriteOwnBundle,
  closeCeremony,
  HELP_MS,
  isComplete,
  keptBundle,
  serveLatecomers,
  writeOwnBundle,
} from '../close/close.ts'
import { refuseOtherCard } from '../definition/approve.ts'
import { type Authority, definitionAuthority, wantedInWords } from '../definition/authority.ts'
import { lint, refuseErrors } from '../definition/lint.ts'
import { messageBytes } from '../definition/message.ts'
import { falseProof } from '../epoch/prove.ts'
import { type AttemptFacts, agreeAttempt } from '../gather/agree.ts'
import { preflight } from '../gather/preflight.ts'
import { hedged } from '../hedge.ts'
import {
  commitKeygen,
  dropStaged,
  followVote,
  runKeygen,
  type Voted,
  type VoteHooks,
  votedBefore,
  votedElsewhere,
} from '../kinds/keygen.ts'
import {
  type Epoch,
  falseResult,
  keepResults,
  newestEpoch,
  noteEpoch,
  runSign,
  statedResult,
  stateResult,
} from '../kinds/sign.ts'
import { bundlePath, forgottenRecordPath } from '../paths.ts'
import { Peers } from '../peers/peers.ts'
import type { Site } from '../ports.ts'
import { BlameError, Session, SilenceError } from '../session/session.ts'
import { Ceremony, forgottenRecord, type JoinOptions } from '../store/ceremony.ts'
import { keptApprovals } from '../store/kept-approvals.ts'
import { envelopesIn, openNote } from '../store/notes.ts'
import type { HeldAttempt } from '../store/record-store.ts'

export interface JoinResult {
  readonly ceremony: Hash
  readonly kind: Definition['kind']
  readonly name: string
  readonly site: SiteId
  /** `checked`: preflight and gather only. */
  readonly state: 'closed' | 'checked'
  readonly key: { readonly id: Hash; readonly protocol: string; readonly publicKey: string } | null
  /** Hex; of a sign ceremony. */
  readonly signature: string | null
  readonly signers: readonly SiteId[]
  readonly bundle: string | null
  /** What is missing from the bundle; empty: complete. */
  readonly open: readonly string[]
}

/** One join of one site: every decision is in the definition, so the room and CI run the same. */
interface Run extends JudgeFacts {
  readonly peers: Peers
  /** The record that this site proved shares for, or is to vote for. */
  voted?: Voted
  /** Claims of peers that are undecidable here: what they rest on may still come. */
  readonly pendingClaims: Map<Hash, { readonly bytes: Uint8Array; readonly from: SiteId | null }>
}

/** Claims of one peer that wait to be judged. */
const MOST_PENDING_CLAIMS = 4
/** Proofs against one site that this site makes itself: the first convicts it. */
const MOST_PROOFS = 4

export const joinCeremony = async (site: Site, definition: Definition, options: JoinOptions): Promise<JoinResult> => {
  const authority = definitionAuthority(definition)
  const ceremony = await Ceremony.open(site, authority, { ...options, progress: eachOnce(options.progress) })
  await takeApprovals(ceremony)
  await refuseForgetful(ceremony)
  await dropIfOver(ceremony)
  await repeatAbort(ceremony)
  refuseEnded(ceremony)
  const finished = ceremony.closed ? await finishedBefore(ceremony) : undefined
  if (finished !== undefined) return finished
  refuseErrors(lint(definition))
  refuseOtherCard(definition, site.home.identity, site.card)
  ceremony.options.progress({
    phase: 'join',
    ceremony: authority.hash,
    kind: definition.kind,
    name: definition.name,
    site: ceremony.seat.name,
    index: ceremony.seat.index,
    of: authority.roster.length,
  })

  const protocols = await loadProtocols(definition.protocol)
  const message =
    definition.kind === 'sign' ? messageBytes(definition.message, options.message ?? undefined) : undefined
  const epoch = definition.kind === 'sign' ? await newestEpoch(site, definition.key) : undefined
  const checks = await preflight(ceremony)
  await openLog(ceremony, epoch)
  const wire = await site.connect(authority)
  ceremony.options.progress({ phase: 'preflight', checks: [...checks, 'relay'] })

  const peers: Peers = new Peers(ceremony, wire, ({ name, bytes, site: by }, from) => {
    if (name === 'blame') acceptProof(run, bytes, from)
    if (name === 'attempt') judgePendingClaims(run)
    if (name === 'aborted') stopSession(run)
    if (name === 'result' && by !== null) judgeResult(run, by)
    if (name === 'possession' || name === 'test-signature') judgeProofs(run)
  })
  const run: Run = { ceremony, protocols, epoch, peers, message, pendingClaims: new Map() }
  ceremony.store.whenFaulty((fault) => accuse(run, recordBlame(ceremony, fault)))
  readNotes(run)
  showGathering(run)
  options.control?.({
    log: ceremony.log,
    site: ceremony.seat.name,
    abort: (reason) => {
      // Nothing that this site says in a session may follow its word that it left.
      peers.failSession(abortedHere(), ceremony.seat.name)
      return endHere(run, reason)
    },
    approved: async () => {
      await takeApprovals(ceremony)
      await postNote(run, 'gathering')
    },
  })
  peers.open()
  try {
    await postNote(run, 'gathering')
    if (options.check) return await checkOnly(run)
    return definition.kind === 'keygen' ? await keygen(run) : await sign(run)
  } catch (error) {
    const ending = await ended(run, error)
    await dropIfOver(ceremony).catch(() => undefined)
    throw ending
  } finally {
    ceremony.keys.channel.secret.wipe()
    await peers.close()
  }
}

interface CeremonyResult {
  readonly facts: Pick<JoinResult, 'key' | 'signature' | 'signers'>
  /** Sites whose endings belong into the bundle. */
  readonly sites: readonly SiteId[]
}

/** What this site voted for or stated, as its log has it. */
const resultHere = (ceremony: Ceremony): CeremonyResult | undefined => {
  const { authority, store, seat } = ceremony
  const { definition, roster } = authority
  if (definition.kind === 'keygen') {
    const voted = votedBefore(ceremony)
    if (voted === undefined) return undefined
    const { protocol, publicKey } = voted.outcome
    return {
      facts: { key: { id: voted.record.outcome, protocol, publicKey }, signature: null, signers: [] },
      sites: roster.map((member) => member.name),
    }
  }
  const result = store.results.get(seat.name)?.signed.value
  if (result === undefined) return undefined
  const { protocol, key: id } = definition
  const signers = store.attempts.get(result.attempt)?.value.participants.map((one) => one.site) ?? []
  return {
    facts: { key: { id, protocol, publicKey: result.publicKey }, signature: result.signature, signers },
    sites: signers.includes(seat.name) ? signers : [seat.name],
  }
}

/**
 * A join of a ceremony that this site has ended with nothing missing: the same result again. Others who are here and
 * lack this site's part get it first; where no relay answers at once, nobody is waited for.
 */
const finishedBefore = async (ceremony: Ceremony): Promise<JoinResult | undefined> => {
  const { authority } = ceremony
  const bundle = await keptBundle(ceremony)
  const made = resultHere(ceremony)
  if (bundle === undefined || made === undefined || !(await isComplete(ceremony, bundle, made.sites))) return undefined
  await inRoom(ceremony, (peers) => serveLatecomers(ceremony, peers, bundle, made.sites))
  return result(ceremony, { bundle: bundlePath(authority.hash, authority.definition.kind), open: [] }, made.facts)
}

/** Meets the others where a relay answers at once; what is done there is for them, and this site waits for nobody. */
const inRoom = async (ceremony: Ceremony, work: (peers: Peers) => Promise<void>): Promise<void> => {
  const { site, authority, options } = ceremony
  const connecting = site.connect(authority).catch((error: unknown) => {
    if (error instanceof QuorateError && error.code === 'E_RELAY') return undefined
    throw error
  })
  const late = site.machine.clock.sleep(HELP_MS, options.signal).then(() => undefined)
  late.catch(() => undefined)
  const wire = await Promise.race([connecting, late])
  if (wire === undefined) {
    void connecting.then((one) => one?.close()).catch(() => undefined)
    return
  }
  const peers = new Peers(ceremony, wire, () => undefined)
  peers.open()
  try {
    await work(peers)
  } finally {
    await peers.close()
  }
}

// ── key generation ──────────────────────────────────────────────────────────────────────────────────────────────────

const keygen = async (run: Run): Promise<JoinResult> => {
  const { ceremony, peers } = run
  const voted = votedBefore(ceremony) ?? (await reachVote(run))
  await postNote(run, 'ready')
  await commitKeygen(ceremony, voted)
  await postNote(run, 'installed')
  const shown = utf8(`${voted.outcome.publicKey}\n`)
  const made = resultHere(ceremony)
  if (made === undefined) throw new Error('a vote that its own log does not show')
  const closed = await closeCeremony(ceremony, peers, made.sites, new Map([['public-key.hex', shown]]))
  await postNote(run, 'closed')
  return result(ceremony, closed, made.facts)
}

const reachVote = async (run: Run): Promise<Voted> => {
  const { ceremony, protocols, peers } = run
  const hooks: VoteHooks = {
    recorded(voted) {
      run.voted = voted
      judgePendingClaims(run)
      judgeProofs(run)
    },
    mayVote: () => stopped(run),
  }
  for (;;) {
    const facts: AttemptFacts = { base: null, guilty: () => new Set(), silent: new Set() }
    const attempt = await agreeAttempt(
      ceremony,
      peers,
      facts,
      () => unlessStopped(run, () => votedElsewhere(ceremony, protocols)),
      () => hello(run, null),
    )
    if (attempt === undefined) {
      const voted = votedElsewhere(ceremony, protocols)
      if (voted === undefined) continue
      await followVote(ceremony, protocols, voted, hooks)
      return voted
    }
    const made = await attemptSession(run, attempt, (session) =>
      runKeygen(ceremony, protocols, session, attempt, hooks),
    )
    if (made !== undefined) return made
  }
}

// ── signing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const sign = async (run: Run): Promise<JoinResult> => {
  const { ceremony, peers } = run
  const { epoch, message } = run
  if (epoch === undefined || message === undefined)
    throw new QuorateError(
      'E_NOT_FOUND',
      'the message to be signed is not in this home',
      'run `quorate sign approve` with the message first',
    )
  const reached = await reachSignature(run, epoch, message)
  const own = ceremony.store.results.get(ceremony.seat.name)
  if (own === undefined) await stateResult(ceremony, reached)
  if (!ceremony.closed) keepResults(ceremony, own?.signed.value ?? reached)
  await postNote(run, 'done')
  const made = resultHere(ceremony)
  if (made === undefined) throw new Error('a result that its own log does not show')
  const outputs = new Map([
    ['message', message],
    ['signature', fromHex(made.facts.signature ?? '')],
  ])
  const closed = await closeCeremony(ceremony, peers, made.sites, outputs)
  await postNote(run, 'closed')
  return result(ceremony, closed, made.facts)
}

const reachSignature = async (run: Run, epoch: Epoch, message: Uint8Array): Promise<SignResult> => {
  const { ceremony, protocols, peers } = run
  const found = () => statedResult(ceremony, protocols, epoch, message)
  const silent = new Set<SiteId>()
  for (;;) {
    const stated = found()
    if (stated !== undefined) return stated
    const facts: AttemptFacts = { base: epoch.hash, guilty: () => guilty(run), silent }
    const attempt = await agreeAttempt(
      ceremony,
      peers,
      facts,
      () => unlessStopped(run, found),
      () => hello(run, epoch.hash),
    )
    if (attempt === undefined) continue
    const made = await attemptSession(
      run,
      attempt,
      (session) => runSign(ceremony, protocols, session, attempt, epoch, message),
      silent,
    )
    if (made !== undefined) return made
  }
}

// ── what both share ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Runs one agreed attempt. Undefined: it failed and another may follow; throws what ends the join. */
const attemptSession = async <T>(
  run: Run,
  attempt: HeldAttempt,
  work: (session: Session) => Promise<T>,
  silent?: Set<SiteId>,
): Promise<T | undefined> => {
  const { ceremony, peers } = run
  const { options, authority, seat, site, store } = ceremony
  const session = new Session({
    ceremony: authority.hash,
    attempt: attempt.hash,
    parties: attempt.value.participants.map(({ site: name, key }) => ({ site: name, key })),
    self: seat.name,
    signer: ceremony.keys.message.raw,
    clock: site.machine.clock,
    random: hedged(site, attempt.hash, 'message salts'),
    roundMs: authority.definition.deadlines.round * 1000,
    send: (to, bytes) => peers.sendInSession(attempt.hash, to, bytes),
    record: (bytes, from) => ceremony.note('message', bytes, from),
    progress: (state) => options.progress({ phase: 'round', ...state }),
  })
  const stop = (): void => session.fail(options.signal.reason)
  options.signal.addEventListener('abort', stop, { once: true })
  peers.attachSession(attempt.hash, session)
  await postNote(run, 'running')
  try {
    judgePendingClaims(run)
    return await work(session)
  } catch (failure) {
    const error = judgePendingClaims(run) ?? failure
    // A vote or a result that stands in the log is not taken back by what fails after it.
    if (ceremony.phase === 'running' || ceremony.phase === 'staged')
      ceremony.note('failed', undefined, null, attempt.hash)
    if (error instanceof BlameError) {
      await publishProof(run, peers, error.blame)
      if (
        authority.fixed ||
        authority.candidates.filter((member) => !guilty(run).has(member.name)).length < authority.seats
      )
        throw error
      return undefined
    }
    const failed = (reason: string): undefined => {
      const { attempts } = authority.definition
      options.progress({ phase: 'attempt-failed', number: ceremony.attempts.length, of: attempts, reason })
    }
    const again = `attempt ${ceremony.attempts.length} of ${authority.definition.attempts}`
    if (error instanceof QuorateError && error.code === 'E_PEER_RESTARTED') {
      // Seated last from now on: who comes back in every attempt would else use them all up.
      const back = authority.member(error.details['site'] as SiteId)
      if (!authority.fixed && back !== undefined) silent?.add(back.name)
      return failed(error.message)
    }
    if (error instanceof SilenceError) {
      await ceremony.barrier()
      if (!authority.fixed && silent !== undefined) {
        for (const name of error.missing) silent.add(name)
        return failed(error.message)
      }
      const names = error.missing.join(', ')
      throw new QuorateError(
        'E_PEER_SILENT',
        `${error.message} (${authority.definition.deadlines.round} s)`,
        `${names}’s operator: look at \`quorate ${authority.definition.kind} status\` there. The others can run join again at once; this was ${again}`,
        { missing: error.missing, round: error.round },
      )
    }
    throw error
  } finally {
    options.signal.removeEventListener('abort', stop)
    peers.detachSession()
    session.wipe()
    store.changed()
  }
}

const hello = async (run: Run, epoch: Hash | null): Promise<void> => {
  const { ceremony, peers } = run
  await ceremony.barrier()
  const results = [...ceremony.store.results.values()][0]
  await ceremony.hello({
    epoch,
    result: results === undefined ? null : hashOf(results.signed.bytes),
    check: ceremony.options.check,
  })
  peers.showLedger()
}

const unlessStopped = (run: Run, found: () => unknown): 'settled' | undefined => {
  stopped(run)
  return found() === undefined ? undefined : 'settled'
}

export const abortedHere = (): QuorateError =>
  new QuorateError(
    'E_ABORTED',
    'this site left this ceremony',
    'plan a new definition; this one is never run again here',
  )

/** Those left are not enough any more. */
const leftBy = ({ store, authority }: Ceremony): QuorateError | undefined => {
  if (authority.possibleWithout(store.goneIdentities())) return undefined
  const names = [...store.goneIdentities()].map((id) => nameOf(authority, id))
  return new QuorateError(
    'E_ABORTED',
    `${names.join(', ')} left this ceremony`,
    'plan a new definition when all agree; nothing was made',
    { left: names },
  )
}

/** Nobody waits in a session for a site that left, where nothing can come of it. */
const stopSession = ({ ceremony, peers }: Run): void => {
  const left = leftBy(ceremony)
  if (left === undefined) return
  for (const member of ceremony.authority.roster)
    if (ceremony.store.aborts.has(member.identity)) peers.failSession(left, member.name)
}

/** Throws where the ceremony cannot go on whatever this site does. */
const stopped = (run: Run): void => {
  const { store, authority } = run.ceremony
  const left = leftBy(run.ceremony)
  if (left !== undefined) throw left
  if (!authority.fixed) return
  for (const [hash, { value }] of store.blames)
    if (seated(run, value.accused) && isProven(run, value, hash)) throw new BlameError(value)
}

const seated = ({ ceremony }: Run, site: SiteId): boolean =>
  ceremony.authority.candidates.some((member) => member.name === site)

/**
 * A claim that a peer shows is judged here before it is believed, and told on only once it is proven. A refuted one is
 * dropped. One that rests on what is not here yet waits: the peer may be ahead.
 */
const acceptProof = (run: Run, bytes: Uint8Array, from: SiteId | null): BlameError | undefined => {
  const { ceremony, peers } = run
  const hash = hashOf(bytes)
  const held = ceremony.store.blames.get(hash)
  if (held === undefined) return undefined
  const verdict = verdictOn(run, held.value, hash)
  if (verdict !== 'proven') {
    ceremony.store.blames.delete(hash)
    const waiting = [...run.pendingClaims.values()].filter((one) => one.from === from)
    if (verdict === 'undecidable' && waiting.length < MOST_PENDING_CLAIMS) run.pendingClaims.set(hash, { bytes, from })
    return undefined
  }
  if (!ceremony.closed) ceremony.note('evidence', bytes, held.value.accused)
  peers.broadcast({ is: 'object', name: 'blame', bytes })
  const error = new BlameError(held.value)
  peers.failSession(error, held.value.accused)
  ceremony.store.changed()
  return error
}

const judgePendingClaims = (run: Run): BlameError | undefined => {
  const doubts = [...run.pendingClaims.values()]
  run.pendingClaims.clear()
  let found: BlameError | undefined
  for (const { bytes, from } of doubts)
    if (run.ceremony.store.admit('blame', bytes, from) !== undefined) found ??= acceptProof(run, bytes, from)
  return found !== undefined && seated(run, found.blame.accused) ? found : undefined
}

/** What this site's own records prove, as soon as they do. */
const accuse = (run: Run, blame: Blame): void => {
  const { ceremony, peers } = run
  const held = ceremony.events('evidence').filter((event) => event.site === blame.accused)
  if (held.length >= MOST_PROOFS || !isProven(run, blame)) return
  // Before anything else happens here: what follows from it must not wait for the disk.
  peers.failSession(new BlameError(blame), blame.accused)
  publishProof(run, peers, blame).then(
    () => ceremony.store.changed(),
    (error: unknown) => ceremony.fail(error),
  )
}

/** Proofs of the record that this site builds on, however late they come. */
const judgeProofs = (run: Run): void => {
  const { ceremony, protocols, voted } = run
  const fault = voted && falseProof(ceremony, protocols, voted.outcome, voted.hash)
  if (voted === undefined || fault === undefined) return
  accuse(run, recordBlame(ceremony, fault, [recordCodec.encode(voted.record), outcomeCodec.encode(voted.outcome)]))
}

const judgeResult = (run: Run, by: SiteId): void => {
  const { ceremony, protocols, epoch, message } = run
  const held = ceremony.store.results.get(by)
  if (held === undefined || epoch === undefined || message === undefined) return
  const found = falseResult(ceremony, protocols, epoch, message, held)
  if (found !== undefined) accuse(run, recordBlame(ceremony, found.fault, found.rest, found.attempt))
}

const readNotes = (run: Run): void => {
  const { ceremony, peers } = run
  const { definition } = ceremony.authority
  const identities: readonly Identity[] = [...definition.sites.map((one) => one.identity), ...definition.approvers]
  peers.whenNoted((posted) => {
    const note = openNote(posted, identities)
    if (
      note === undefined ||
      note.value.ceremony !== ceremony.authority.hash ||
      note.value.identity === ceremony.seat.identity
    )
      return
    const author = ceremony.authority.roster.find((one) => one.identity === note.value.identity)?.name ?? null
    const take = (name: 'certificate' | 'approval' | 'aborted' | 'blame', bytes: Uint8Array): void => {
      try {
        const admitted = ceremony.take(name, bytes, null)
        if (admitted?.name === 'blame') acceptProof(run, bytes, author)
        if (admitted?.name === 'aborted') stopSession(run)
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
      }
    }
    take('certificate', posted.certificate)
    for (const bytes of envelopesIn(note.value.approvals)) take('approval', bytes)
    if (note.value.abort !== null) take('aborted', posted.note)
    for (const bytes of envelopesIn(note.value.evidence)) take('blame', bytes)
  })
}

const postNote = async ({ ceremony, peers }: Run, phase: string): Promise<void> => {
  const note = await ceremony.writeNote(phase, null)
  if (note !== undefined) peers.postNote(note)
}

/** Tells who came, who approved, whose ledger holds, each once. */
const showGathering = ({ ceremony, peers }: Run): void => {
  const { store, authority, options } = ceremony
  const show = (): undefined => {
    for (const [name, peer] of peers.bySite) {
      if (!peer.connected) continue
      const approved = store.approved().has(peer.member.identity)
      const hello = peers.hello(name)
      // What comes within the same instant is one line, not three.
      if (hello === undefined || (peer.head === undefined && peer.rolledBack === undefined)) continue
      const parts = [
        'connected',
        ...(approved ? ['approved'] : []),
        ...(peer.head === undefined ? [] : [peer.remembered === undefined ? 'first contact' : 'ledger extends']),
      ]
      if (peer.rolledBack !== undefined) parts.push('ledger rolled back')
      const build =
        hello === undefined ? null : hello.value.build === ceremony.site.machine.build ? 'same build' : 'another build'
      const needed = authority.missing(store.approved()).includes(peer.member.identity)
      options.progress({
        phase: 'gather',
        site: name,
        state: parts.join(', '),
        waiting: needed ? `${name}’s approval` : build,
      })
    }
    return undefined
  }
  peers.whenChanged(show)
}

const checkOnly = async (run: Run): Promise<JoinResult> => {
  const { ceremony, peers, epoch } = run
  const { store, authority, options } = ceremony
  await hello(run, epoch?.hash ?? null)
  const ready = () => {
    stopped(run)
    const here = authority.candidates.filter(
      (member) =>
        member.name === ceremony.seat.name ||
        (peers.bySite.get(member.name)?.connected === true && peers.proven(member.name)),
    )
    return authority.missing(store.approved()).length === 0 && here.length >= authority.seats ? true : undefined
  }
  const found = await store.until(ready, authority.definition.deadlines.gather * 1000, options.signal)
  if (found === undefined) {
    const missing = authority.missing(store.approved()).map((id) => nameOf(authority, id))
    const absent = authority.candidates
      .filter((member) => member.name !== ceremony.seat.name && peers.bySite.get(member.name)?.connected !== true)
      .map((member) => member.name)
    throw new QuorateError(
      missing.length > 0 ? 'E_APPROVALS_MISSING' : 'E_QUORUM',
      missing.length > 0
        ? `approvals missing: ${wantedInWords(authority, store.approved(), (id) => nameOf(authority, id))}`
        : `not here: ${absent.join(', ')}`,
      'nothing has happened; run the check again when they are ready',
      { missing, absent },
    )
  }
  await peers.flush(2000)
  return { ...result(ceremony, undefined, { key: null, signature: null, signers: [] }), state: 'checked' }
}

/** What an error leaves behind: proven blame in a fixed roster ends the ceremony here, with a bundle that shows why. */
const ended = async (run: Run, error: unknown): Promise<unknown> => {
  const { ceremony, peers } = run
  // Whoever asked for it was promised that the others hear of it.
  const unsaid = await ceremony.aborting?.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (unsaid !== undefined) return unsaid
  if (error instanceof BlameError) {
    await publishProof(run, peers, error.blame)
    if (resultHere(ceremony) !== undefined) return blameFault(error.blame, undefined)
    await endHere(run, `blame: ${error.blame.check}`)
    await peers.flush(2000)
    const path = await closeAndWriteOwnBundle(ceremony, toBeSigned(run))
    return blameFault(error.blame, path)
  }
  if (error instanceof QuorateError && error.code === 'E_SITE_ROLLED_BACK') {
    await keepForgottenRecord(ceremony, error)
    // Each peer is to see it for itself: nobody else's word for it would do.
    const { store, authority } = ceremony
    await store.until(() => peers.shownToAll || undefined, authority.definition.deadlines.proposal * 1000)
    await peers.flush(2000)
    return error
  }
  if (error instanceof QuorateError && error.code === 'E_ABORTED') {
    await peers.flush(1000)
    const path = await (ceremony.store.aborts.has(ceremony.seat.identity)
      ? closeAndWriteOwnBundle(ceremony, toBeSigned(run))
      : writeOwnBundle(ceremony, toBeSigned(run)))
    const hint = `${error.hint}; what this site’s log says of it is in ${path}`
    return new QuorateError(error.code, error.message, hint, { ...error.details, bundle: path }, error)
  }
  await ceremony.barrier().catch(() => undefined)
  return error
}

/** What a bundle of a ceremony that made nothing shows besides the log: proofs of blame rest on the message. */
const toBeSigned = ({ message }: Run): ReadonlyMap<string, Uint8Array> =>
  new Map(message === undefined ? [] : [['message', message]])

/**
 * Where this site left, or so many others that the ceremony cannot go on, a site that has not voted never will: what it
 * staged is of no use to anybody.
 */
const dropIfOver = async ({ store, seat, site, log, authority }: Ceremony): Promise<void> => {
  const over = store.aborts.has(seat.identity) || !authority.possibleWithout(store.goneIdentities())
  if (over && !store.ready.has(seat.name)) await dropStaged(site.shards, log)
}

/** This site's own word that it ends the ceremony: in its log and ledger, and in its note. */
const endHere = ({ ceremony, peers }: Run, reason: string): Promise<void> =>
  ceremony.abort(async () => {
    const note = await ceremony.writeNote('aborted', reason)
    if (note === undefined) return
    await ceremony.promise('aborted', note, { what: 'aborted', object: null })
    peers.broadcast({ is: 'object', name: 'aborted', bytes: note })
    peers.postNote(note)
  })

/** A site that left says so again: it may have stopped before anybody heard. */
const repeatAbort = async (ceremony: Ceremony): Promise<void> => {
  const { store, seat, options } = ceremony
  const word = store.aborts.get(seat.identity)
  if (word === undefined) return
  await inRoom(ceremony, async (peers) => {
    peers.postNote(word.envelope)
    await store.until(
      () => [...peers.bySite.values()].some((peer) => peer.connected) || undefined,
      HELP_MS,
      options.signal,
    )
    await peers.flush(1000)
  })
}

const openLog = async (ceremony: Ceremony, epoch: Epoch | undefined): Promise<void> => {
  const { site, authority, log } = ceremony
  if (ceremony.closed) return
  if (log.size === 0) {
    const head = await site.ledger.barrier()
    ceremony.note('opened', utf8(head.note))
    ceremony.noteLedger('log-opened')
    ceremony.note('definition', definitionCodec.encode(authority.definition))
    for (const { envelope } of ceremony.store.approvals.values()) ceremony.note('approval', envelope)
    if (epoch !== undefined) noteEpoch(ceremony, epoch)
  }
  for (const certificate of Object.values(site.home.certificates))
    ceremony.take('certificate', toEnvelope(certificate), ceremony.seat.name)
  const own = toEnvelope(ceremony.keys.message.certificate)
  ceremony.store.admit('certificate', own, ceremony.seat.name)
  ceremony.note('joined', own)
  await ceremony.barrier()
}

/** Approvals in this home's folder, given here or carried by hand. */
const takeApprovals = async (ceremony: Ceremony): Promise<void> => {
  for (const { path, bytes } of await keptApprovals(ceremony.site.home.disk, ceremony.authority.hash)) {
    try {
      if (ceremony.log.size === 0) ceremony.store.admit('approval', bytes, null)
      else ceremony.take('approval', bytes, null)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      throw new QuorateError(
        'E_FILE',
        `${path} is not an approval of this definition`,
        'remove it, or put the right file there; nothing has happened',
      )
    }
  }
}

/** What this home was shown to have forgotten stays so: no later join may say it anew in other words. */
const keepForgottenRecord = async ({ site, authority }: Ceremony, error: QuorateError): Promise<void> => {
  const { word } = error.details
  if (typeof word === 'string') await writeDurable(site.home.disk, forgottenRecordPath(authority.hash), utf8(word))
}

const refuseForgetful = async ({ site, authority, seat }: Ceremony): Promise<void> => {
  const word = await site.home.disk.read(forgottenRecordPath(authority.hash))
  if (word !== undefined) throw forgottenRecord(seat.name, fromUtf8(word) as Hash)
}

const refuseEnded = (ceremony: Ceremony): void => {
  const { store, seat, authority, site } = ceremony
  if (store.aborts.has(seat.identity)) throw abortedHere()
  if (ceremony.closed && !bound(ceremony))
    throw new QuorateError(
      'E_CONSUMED',
      'this site has ended this definition',
      `the bundle is ${bundlePath(authority.hash, 'abort')}; plan a new definition`,
    )
  const consumed = [...site.ledger.replay()].some(
    (event) => event.ceremony === authority.hash && (event.what === 'ready' || event.what === 'result'),
  )
  if (consumed && !bound(ceremony))
    throw new QuorateError(
      'E_CONSUMED',
      'this site has ended this definition, and its log is gone',
      'restore this home from its backup, or plan a new definition',
    )
  if (!store.approved().has(seat.identity))
    throw new QuorateError(
      'E_NOT_APPROVED',
      'this site has not approved the definition',
      `run \`quorate ${authority.definition.kind} approve\` first; nothing has happened`,
    )
}

/** This site voted or stated a signature: what is left is to finish. */
const bound = ({ store, seat }: Ceremony): boolean => store.ready.has(seat.name) || store.results.has(seat.name)

const result = (
  ceremony: Ceremony,
  closed: Closed | undefined,
  facts: Pick<JoinResult, 'key' | 'signature' | 'signers'>,
): JoinResult => {
  const { authority, seat } = ceremony
  return {
    ceremony: authority.hash,
    kind: authority.definition.kind,
    name: authority.definition.name,
    site: seat.name,
    state: 'closed',
    ...facts,
    bundle: closed?.bundle ?? null,
    open: closed?.open ?? [],
  }
}

export const nameOf = (authority: Authority, identity: Identity): string =>
  authority.roster.find((member) => member.identity === identity)?.name ?? identity

const eachOnce = (progress: JoinOptions['progress']): JoinOptions['progress'] => {
  const last = new Map<string, string>()
  return (event) => {
    const key = `${event.phase}|${'site' in event ? event.site : ''}${'step' in event ? event.step : ''}${'round' in event ? event.round : ''}`
    const text = JSON.stringify(event)
    if (last.get(key) === text) return
    last.set(key, text)
    progress(event)
  }
}
