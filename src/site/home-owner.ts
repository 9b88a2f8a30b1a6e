import { abortedHere } from '../ceremony/engine/aborts.ts'
import type { Progress } from '../ceremony/progress.ts'
import type { JoinControl } from '../ceremony/store/ceremony.ts'
import type { Asker, HomeAnswer } from '../host/run-socket.ts'
import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Definition } from '../records/definition.ts'
import { abortOwned } from './abort.ts'
import { reasonGiven } from './abort-reason.ts'
import { definitionIn, type TakenRequest, takenRequest } from './home-request.ts'
import { type HomeSession, noteApproval, openSite, type SiteSecrets } from './home-session.ts'
import { keptDefinition } from './kept-definition.ts'
import { postApprovalOwned } from './post-note.ts'
import { noteSuspension } from './suspend.ts'

type OwnedSite = Awaited<ReturnType<typeof openSite>>

/** One ceremony that runs from this home, as other commands reach into it. */
export interface RunningJoin {
  readonly control: JoinControl
  /** Ends the join with this error at its next safe point. */
  stop(error: QuorateError): void
}

/** A join as a command wants it, wherever it runs. */
export interface JoinOrder {
  readonly definition: Definition
  readonly check: boolean
  readonly progress: (event: Progress) => void
  readonly signal: AbortSignal
}

const refused = (error: unknown): HomeAnswer => {
  const fault =
    error instanceof QuorateError
      ? error
      : new QuorateError('E_BUG', 'the process that owns this home met a fault', 'run the same command again there')
  const { code, message, hint, details } = fault
  return { ok: false, code, message, hint, details }
}

const BUSY: HomeAnswer = {
  ok: false,
  code: 'E_HOME_BUSY',
  message: 'this home is at work on this ceremony',
  hint: 'try again in a moment',
  again: true,
}

const LEAVING: HomeAnswer = {
  ok: false,
  code: 'E_HOME_BUSY',
  message: 'the process that owns this home is about to end',
  hint: 'wait until it has ended, then run the same command again',
  again: true,
}

const NOT_RUNNING: HomeAnswer = {
  ok: false,
  code: 'E_HOME_BUSY',
  message: 'this home is running another ceremony',
  hint: 'this one can be joined beside it',
}

type Asked<K extends TakenRequest['do']> = Extract<TakenRequest, { do: K }>

/**
 * The process that owns a home serves all its ceremonies at once: other commands of the home hand it their joins, aborts and
 * approvals, and each ceremony has its own session. The ledger orders what must be in one order.
 */
export class HomeOwner {
  readonly owned: HomeSession
  readonly #runJoin: (owner: HomeOwner, order: JoinOrder) => Promise<unknown>
  readonly #secrets: SiteSecrets
  /** By ceremony; `opening`: a join that cannot be reached yet; `brief`: other work, done in a moment. */
  readonly #running = new Map<Hash, RunningJoin | 'opening' | 'brief'>()
  /** Work that others do in a running join: its ceremony is not free before that is done. */
  readonly #reaching = new Map<Hash, Set<Promise<unknown>>>()
  readonly #served = new Map<Promise<unknown>, AbortController>()
  #site: Promise<OwnedSite> | undefined
  #unopened = false
  #leaving = false

  constructor(
    owned: HomeSession,
    secrets: SiteSecrets,
    runJoin: (owner: HomeOwner, order: JoinOrder) => Promise<unknown>,
  ) {
    this.owned = owned
    this.#secrets = secrets
    this.#runJoin = runJoin
    owned.claim.handle((request, asker) => this.#answer(request, asker))
  }

  /** The site with its identity unlocked, once for all its ceremonies. */
  site(): Promise<OwnedSite> {
    this.#site ??= openSite(this.owned, this.#secrets).catch((error: unknown) => {
      this.#unopened = true
      throw error
    })
    return this.#site
  }

  /** Runs one join. Throws E_HOME_BUSY where this ceremony runs already: its log has one writer, too. */
  async run<T>(ceremony: Hash, work: (offer: (running: RunningJoin) => void) => Promise<T>): Promise<T> {
    if (this.#running.has(ceremony))
      throw new QuorateError(
        'E_HOME_BUSY',
        'this home is running this ceremony already',
        'wait until that join ends, or stop it where it runs',
      )
    return this.#while(ceremony, 'opening', () => work((running) => this.#running.set(ceremony, running)))
  }

  async #while<T>(ceremony: Hash, state: 'opening' | 'brief', work: () => Promise<T>): Promise<T> {
    this.#running.set(ceremony, state)
    try {
      return await work()
    } finally {
      this.#running.set(ceremony, 'brief')
      await Promise.allSettled(this.#reaching.get(ceremony) ?? [])
      this.#reaching.delete(ceremony)
      this.#running.delete(ceremony)
    }
  }

  /** Work in a join that runs; of one that ended meanwhile nobody knows what came of it, so it is asked for again. */
  async #reach(ceremony: Hash, running: RunningJoin, work: () => Promise<unknown>): Promise<HomeAnswer> {
    const reaching = this.#reaching.get(ceremony) ?? new Set<Promise<unknown>>()
    this.#reaching.set(ceremony, reaching)
    const done = work().then(
      (result): HomeAnswer => ({ ok: true, result }),
      (error: unknown) => refused(error),
    )
    reaching.add(done)
    const answer = await done
    reaching.delete(done)
    return this.#running.get(ceremony) === running ? answer : BUSY
  }

  /** Joins of other commands that still run here. */
  get serving(): number {
    return this.#served.size
  }

  /** Takes no further joins, and resolves when those that it serves have ended: by themselves, or told to stop. */
  async leave(stop: boolean): Promise<void> {
    this.#leaving = true
    if (stop) for (const controller of this.#served.values()) controller.abort()
    await Promise.allSettled(this.#served.keys())
  }

  async #answer(asked: unknown, asker: Asker): Promise<HomeAnswer> {
    try {
      const request = takenRequest(asked)
      if (request.do === 'suspend') return { ok: true, result: await noteSuspension(this.owned, request) }
      const running = this.#running.get(request.ceremony)
      switch (request.do) {
        case 'running':
          return running === undefined ? NOT_RUNNING : running === 'brief' ? BUSY : { ok: true, result: null }
        case 'join':
          return running === 'brief' ? BUSY : await this.#serve(request, asker)
        default:
          if (running === 'opening' || running === 'brief') return BUSY
          return running === undefined ? await this.#brief(request) : await this.#inJoin(request, running)
      }
    } catch (error) {
      return refused(error)
    }
  }

  async #serve(request: Asked<'join'>, asker: Asker): Promise<HomeAnswer> {
    if (this.#leaving) return LEAVING
    const definition = definitionIn(request.definition, request.ceremony)
    const stopped = new AbortController()
    const order: JoinOrder = {
      definition,
      check: request.check,
      progress: (event) => asker.tell(event),
      signal: AbortSignal.any([asker.gone, stopped.signal]),
    }
    const work = this.#runJoin(this, order)
    this.#served.set(work, stopped)
    try {
      return { ok: true, result: await work }
    } catch (error) {
      // Neither the stop of this command nor its passphrase is a fault of who asked.
      return (stopped.signal.aborted || this.#unopened) && !asker.gone.aborted ? LEAVING : refused(error)
    } finally {
      this.#served.delete(work)
    }
  }

  /** Of a ceremony that does not run here: from its first look to its last word it has no other writer. */
  async #brief(request: Asked<'abort' | 'approved'>): Promise<HomeAnswer> {
    const { ceremony } = request
    return this.#while(ceremony, 'brief', async () => {
      if (request.do === 'abort')
        return {
          ok: true,
          result: await abortOwned(this.owned, await this.#definition(request), reasonGiven(request.reason)),
        }
      await noteApproval(this.owned, ceremony, request.object)
      return { ok: true, result: { told: await this.#post(ceremony) } }
    })
  }

  #inJoin(request: Asked<'abort' | 'approved'>, running: RunningJoin): Promise<HomeAnswer> {
    const { ceremony } = request
    return this.#reach(ceremony, running, async () => {
      if (request.do === 'abort') {
        await running.control.abort(reasonGiven(request.reason))
        running.stop(abortedHere())
        return { ceremony, told: true }
      }
      await noteApproval(this.owned, ceremony, request.object)
      await running.control.approved()
      return { told: true }
    })
  }

  /** An approval of a ceremony that does not run here is told by its note; its file may not be there yet. */
  async #post(ceremony: Hash): Promise<boolean> {
    const definition = await keptDefinition(this.owned.disk, ceremony)
    return definition !== undefined && postApprovalOwned(this.owned, definition)
  }

  async #definition({ definition, ceremony }: Asked<'abort'>): Promise<Definition> {
    const found =
      definition === undefined ? await keptDefinition(this.owned.disk, ceremony) : definitionIn(definition, ceremony)
    if (found !== undefined) return found
    throw new QuorateError('E_NOT_FOUND', 'this home knows no such ceremony', 'give the file with --definition')
  }
}
