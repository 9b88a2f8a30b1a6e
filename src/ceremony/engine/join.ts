import type { SiteId } from '../../lib/brand.ts'
import { loadScheme } from '../../mpc/registry.ts'
import type { Definition } from '../../records/definition.ts'
import { type RecordName, recordTable } from '../../records/record-table.ts'
import { type JudgeFacts, recordBlame } from '../blame/claims.ts'
import { Claims } from '../blame/pending-claims.ts'
import { closeCeremony } from '../close/close.ts'
import { refuseOtherCard } from '../definition/approve.ts'
import { definitionAuthority } from '../definition/authority.ts'
import { refuseErrors } from '../definition/finding.ts'
import { lint } from '../definition/lint.ts'
import { preflight } from '../gather/preflight.ts'
import { showGathering } from '../gather/show.ts'
import { ceremonyKind } from '../kinds/index.ts'
import type { CeremonyKind, CeremonyResult } from '../kinds/kind.ts'
import { postNote, readNotes } from '../peers/notes.ts'
import { Peers } from '../peers/peers.ts'
import type { Site } from '../ports.ts'
import { Ceremony, type JoinOptions } from '../store/ceremony.ts'
import { abortedHere, abortHere, dropAfterAbort, refuseBound, refuseStopped, stopSession, tellLeft } from './aborts.ts'
import { runAttempts } from './attempts.ts'
import { checkOnly } from './check.ts'
import { endRun } from './ending.ts'
import { openLog, refuseEnded, refuseForgetful, takeApprovals } from './open.ts'
import { eachOnce } from './progress-once.ts'
import { type JoinResult, joinResult } from './result.ts'
import { finishedBefore, repeatAbort } from './resume.ts'
import type { Run } from './run.ts'

/**
 * One site's way through a ceremony: open, gather, run, commit, close. The row of each kind says what it does on this
 * way.
 */
export const joinCeremony = async (site: Site, definition: Definition, options: JoinOptions): Promise<JoinResult> => {
  const kind = ceremonyKind(definition)
  const ceremony = await openCeremony(site, definition, kind, options)
  const finished = ceremony.closed ? await finishedBefore(ceremony, kind) : undefined
  if (finished !== undefined) return finished
  const run = await prepareRun(ceremony, kind)
  const { peers } = run
  try {
    await postNote(ceremony, peers, 'gathering')
    if (options.check) return await checkOnly(run)
    await runAttempts(run)
    await postNote(ceremony, peers, ceremony.phase)
    await run.work.commit()
    const made = resultOf(run)
    const closed = await closeCeremony(ceremony, peers, made.sites, run.work.outputs())
    await postNote(ceremony, peers, 'closed')
    return joinResult(ceremony, made, closed)
  } catch (error) {
    const ending = await endRun(run, error)
    await dropAfterAbort(ceremony).catch(() => undefined)
    throw ending
  } finally {
    ceremony.keys.channel.secret.wipe()
    await peers.close()
  }
}

/** Opens the ceremony as this home holds it. Throws where this site may not join at all. Nobody is met yet. */
const openCeremony = async (
  site: Site,
  definition: Definition,
  kind: CeremonyKind<Definition>,
  options: JoinOptions,
): Promise<Ceremony> => {
  const authority = definitionAuthority(definition)
  const ceremony = await Ceremony.open(site, authority, kind, {
    ...options,
    progress: eachOnce(options.progress),
  })
  await takeApprovals(ceremony)
  await refuseForgetful(ceremony)
  await dropAfterAbort(ceremony)
  await repeatAbort(ceremony)
  refuseEnded(ceremony)
  return ceremony
}

/** Preflight, the log, and the way to the others. */
const prepareRun = async (ceremony: Ceremony, kind: CeremonyKind<Definition>): Promise<Run> => {
  const { site, authority, seat, options } = ceremony
  const { definition } = authority
  refuseErrors(lint(definition))
  refuseOtherCard(definition, site.home.identity, site.card)
  options.progress({
    phase: 'join',
    ceremony: authority.hash,
    kind: definition.kind,
    name: definition.name,
    site: seat.name,
    index: seat.index,
    of: authority.roster.length,
  })
  const scheme = await loadScheme(definition.protocol)
  const protocols = options.schemeFor?.(scheme) ?? scheme
  const prepared = await kind.prepare(site, definition, options.message)
  const checks = await preflight(ceremony, prepared.epoch)
  await openLog(ceremony, prepared)
  const wire = await site.connect(authority)
  options.progress({ phase: 'preflight', checks: [...checks, 'relay'] })

  const facts: JudgeFacts = { ceremony, protocols, epoch: prepared.epoch, message: prepared.message }
  const peers: Peers = new Peers(ceremony, wire, ({ name, bytes }, from) => taken(run, name, bytes, from))
  const claims = new Claims(facts, peers)
  const work = prepared.begin(ceremony, protocols, {
    judge() {
      claims.judgePending()
      claims.accuseAll(work.faults())
    },
    mayBind: () => refuseStopped(run),
    postNote: () => postNote(ceremony, peers, ceremony.phase),
  })
  const run: Run = { ...facts, peers, claims, kind, prepared, work }
  ceremony.store.whenFaulty((fault) => claims.accuse(recordBlame(ceremony, fault)))
  readNotes(ceremony, peers, (name, bytes, author) => taken(run, name, bytes, author))
  tellLeft(ceremony)
  showGathering(ceremony, peers)
  offerControl(run)
  peers.open()
  return run
}

/** Acts on a record that is new here. */
const taken = (
  { claims, ceremony, peers, work }: Run,
  name: RecordName,
  bytes: Uint8Array,
  from: SiteId | null,
): void => {
  if (name === 'blame') claims.accept(bytes, from)
  if (name === 'attempt') claims.judgePending()
  if (name === 'aborted') {
    tellLeft(ceremony)
    stopSession(ceremony, peers)
  }
  if (recordTable[name].logged === 'later') claims.accuseAll(work.faults())
}

const offerControl = ({ ceremony, peers }: Run): void =>
  ceremony.options.control?.({
    abort: async (reason) => {
      refuseBound(ceremony)
      // Nothing that this site says in a session may follow its abort.
      peers.failSession(abortedHere(), ceremony.seat.name)
      await abortHere(ceremony, peers, reason)
    },
    approved: async () => {
      await takeApprovals(ceremony)
      await postNote(ceremony, peers, 'gathering')
    },
  })

const resultOf = ({ kind, ceremony }: Run): CeremonyResult => {
  const made = kind.result(ceremony)
  if (made === undefined) throw new Error('a promise that its own log does not show')
  return made
}
