import { join as joinPath } from 'node:path'
import { type Authority, definitionAuthority } from '../ceremony/definition/authority.ts'
import { abortedHere } from '../ceremony/engine/aborts.ts'
import { joinCeremony } from '../ceremony/engine/join.ts'
import type { JoinResult } from '../ceremony/engine/result.ts'
import { ceremonyFolder, definitionPath, messagePath } from '../ceremony/paths.ts'
import type { Progress } from '../ceremony/progress.ts'
import { forgetLastJoin, keepLastJoin } from '../ceremony/status/last-join.ts'
import type { JoinControl } from '../ceremony/store/ceremony.ts'
import { systemClock } from '../host/clock.ts'
import type { HomeRequest } from '../host/run-socket.ts'
import type { Hash } from '../lib/brand.ts'
import { durableFolder, writeDurable } from '../lib/durable.ts'
import { type ErrorCode, QuorateError } from '../lib/errors.ts'
import { ceremonyId, type Definition, definitionCodec } from '../records/definition.ts'
import { reasonGiven } from './abort-reason.ts'
import {
  type HomeSession,
  noteApproval,
  openHomeSession,
  openSite,
  type SiteSecrets,
  unreached,
} from './home-session.ts'
import { keptDefinition } from './kept-definition.ts'

interface JoinWanted extends SiteSecrets {
  readonly home: string
  readonly definition: Definition
  readonly check: boolean
  readonly progress: (event: Progress) => void
  readonly signal: AbortSignal
}

/** A join's result with paths that a person can use. */
export type Joined = Omit<JoinResult, 'bundle'> & { readonly bundle: string | null }

/** Keeps the definition in the home, so that status, abort and a later join need no file. One that is damaged there is written anew. */
export const keepDefinition = async ({ disk }: Pick<HomeSession, 'disk'>, definition: Definition): Promise<void> => {
  const ceremony = ceremonyId(definition)
  const kept = await keptDefinition(disk, ceremony).catch((error: unknown) => {
    if (error instanceof QuorateError && error.code === 'E_FILE') return undefined
    throw error
  })
  if (kept !== undefined) return
  await durableFolder(disk, ceremonyFolder(ceremony))
  await writeDurable(disk, definitionPath(ceremony), definitionCodec.encode(definition))
}

/** Runs one site's side of a ceremony. While it runs, this process answers for the home: `abort` and `approve` hand it their work. */
export const join = async (wanted: JoinWanted): Promise<Joined> => {
  const owned = await openHomeSession(wanted.home)
  const stop = new AbortController()
  const relay = (): void => stop.abort(stopReason(wanted.signal.reason))
  if (wanted.signal.aborted) relay()
  wanted.signal.addEventListener('abort', relay, { once: true })
  const { definition } = wanted
  let cutOff: readonly string[] = []
  try {
    await keepDefinition(owned, definition)
    await forgetLastJoin(owned.disk, ceremonyId(definition))
    const site = await openSite(owned, wanted)
    const connect: typeof site.connect = async (to) => {
      const room = await site.connect(to)
      return {
        ...room,
        close: () => {
          const silent = unreached(room)
          if (silent.length === definition.relays.length) cutOff = silent.map(({ url }) => url)
          return room.close()
        },
      }
    }
    const authority = definitionAuthority(definition)
    const message = (await owned.disk.read(messagePath(authority.hash))) ?? null
    const result = await joinCeremony({ ...site, connect }, definition, {
      progress: wanted.progress,
      signal: stop.signal,
      message,
      check: wanted.check,
      control: (control) =>
        owned.claim.handle(async (request) => {
          try {
            await answerFor(owned, authority, { ...control, stop: (error) => stop.abort(error) }, request)
            return { ok: true, result: null }
          } catch (error) {
            if (!(error instanceof QuorateError)) throw error
            return { ok: false, code: error.code, message: error.message, hint: error.hint }
          }
        }),
    })
    if (!wanted.check) await keepLastJoin(owned.disk, authority.hash, systemClock.now(), result.open)
    return { ...result, bundle: result.bundle === null ? null : joinPath(wanted.home, result.bundle) }
  } catch (failure) {
    const error = asSeenHere(failure, {
      home: wanted.home,
      kind: definition.kind,
      cutOff,
      left: stop.signal.reason === LEFT_HERE,
    })
    // A site that has not approved yet has not joined.
    if (error instanceof QuorateError && error.code !== 'E_NOT_APPROVED')
      await keepLastJoin(owned.disk, ceremonyId(definition), systemClock.now(), error)
    throw error
  } finally {
    wanted.signal.removeEventListener('abort', relay)
    await owned.close()
  }
}

/** Faults that name those who were not heard of. */
const UNHEARD: readonly ErrorCode[] = ['E_APPROVALS_MISSING', 'E_QUORUM', 'E_PEER_SILENT', 'E_NOT_FINISHED']

const LEFT_HERE = abortedHere()

/** A ceremony's fault in the words of this machine: its own leaving, whole paths, and relays that were gone at the end. */
const asSeenHere = (
  error: unknown,
  seen: {
    readonly home: string
    readonly kind: Definition['kind']
    readonly cutOff: readonly string[]
    readonly left: boolean
  },
): unknown => {
  if (!(error instanceof QuorateError)) return error
  const { code, details } = error
  const message = code === 'E_ABORTED' && seen.left ? LEFT_HERE.message : error.message
  // A site that was not heard of may be there: where every relay was gone, mend that first.
  if (seen.cutOff.length > 0 && UNHEARD.includes(code))
    return new QuorateError(
      code,
      message,
      `no relay answers here any more (${seen.cutOff.join(', ')}): start one of the definition or check the network; then all run \`quorate ${seen.kind} join\` again`,
      { ...details, unreachable: seen.cutOff },
      error,
    )
  const { bundle } = details
  if (typeof bundle !== 'string') return new QuorateError(code, message, error.template, details, error)
  const path = joinPath(seen.home, bundle)
  return new QuorateError(code, message, error.template, { ...details, bundle: path }, error)
}

/** Answers `abort` and `approve` of the same home while the join runs. */
const answerFor = async (
  owned: HomeSession,
  authority: Authority,
  control: JoinControl & { stop(error: QuorateError): void },
  request: HomeRequest,
): Promise<void> => {
  const same = request.ceremony === authority.hash
  if (request.do === 'approved') {
    await noteApproval(owned, request.ceremony as Hash, request.object as Hash)
    if (same) await control.approved()
    return
  }
  if (!same)
    throw new QuorateError(
      'E_HOME_BUSY',
      'this home is running another ceremony',
      'wait until it ends, then run the same command again',
    )
  if (request.do === 'running') return
  await control.abort(reasonGiven(request.reason ?? 'stopped by the operator'))
  control.stop(LEFT_HERE)
}

/** A command that is stopped does not know what a join leaves behind; this does. */
const stopReason = (reason: unknown): QuorateError =>
  reason instanceof QuorateError && reason.code !== 'E_STOPPED'
    ? reason
    : new QuorateError(
        'E_STOPPED',
        'stopped by the operator',
        'run the same command again to go on; what was voted for or signed is safe on the disk',
      )
