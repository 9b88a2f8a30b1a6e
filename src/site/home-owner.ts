import { abortedHere } from '../ceremony/engine/aborts.ts'
import type { Progress } from '../ceremony/progress.ts'
import type { JoinControl } from '../ceremony/store/ceremony.ts'
import type { Asker, HomeAnswer, HomeRequest } from '../host/run-socket.ts'
import type { Hash } from '../lib/brand.ts'
import { utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { ceremonyId, type Definition, definitionCodec } from '../records/definition.ts'
import { abortOwned } from './abort.ts'
import { reasonGiven } from './abort-reason.ts'
import { type HomeSession, noteApproval, openSite, type SiteSecrets } from './home-session.ts'
import { keptDefinition } from './kept-definition.ts'
import { postApprovalOwned } from './post-note.ts'

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
  readonly #served = new Map<Promise<unknown>, AbortController>()
  #site: Promise<OwnedSite> | undefined
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
    this.#site ??= openSite(this.owned, this.#secrets)
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
      this.#running.delete(ceremony)
    }
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

  async #answer(request: HomeRequest, asker: Asker): Promise<HomeAnswer> {
    const running = this.#running.get(request.ceremony as Hash)
    if (running === 'brief' || (running === 'opening' && request.do !== 'join' && request.do !== 'running')) return BUSY
    try {
      return request.do === 'join'
        ? await this.#serve(request, asker)
        : { ok: true, result: await this.#do(request, running === 'opening' ? undefined : running) }
    } catch (error) {
      return refused(error)
    }
  }

  async #serve(request: HomeRequest, asker: Asker): Promise<HomeAnswer> {
    if (this.#leaving) return LEAVING
    const definition = definitionCodec.decode(utf8(request.definition ?? ''))
    const stopped = new AbortController()
    const order: JoinOrder = {
      definition,
      check: request.check === true,
      progress: (event) => asker.tell(event),
      signal: AbortSignal.any([asker.gone, stopped.signal]),
    }
    const work = this.#runJoin(this, order)
    this.#served.set(work, stopped)
    try {
      return { ok: true, result: await work }
    } catch (error) {
      return stopped.signal.aborted && !asker.gone.aborted ? LEAVING : refused(error)
    } finally {
      this.#served.delete(work)
    }
  }

  async #do(request: HomeRequest, running: RunningJoin | undefined): Promise<unknown> {
    const ceremony = request.ceremony as Hash
    switch (request.do) {
      case 'running':
        if (this.#running.has(ceremony)) return null
        throw new QuorateError(
          'E_HOME_BUSY',
          'this home is running another ceremony',
          'this one can be joined beside it',
        )
      case 'approved':
        await noteApproval(this.owned, ceremony, request.object as Hash)
        if (running === undefined) return { told: await this.#while(ceremony, 'brief', () => this.#post(ceremony)) }
        await running.control.approved()
        return { told: true }
      default: {
        const reason = reasonGiven(request.reason ?? 'stopped by the operator')
        if (running === undefined)
          return this.#while(ceremony, 'brief', async () =>
            abortOwned(this.owned, await this.#definition(request), reason),
          )
        await running.control.abort(reason)
        running.stop(abortedHere())
        return { ceremony, told: true }
      }
    }
  }

  /** An approval of a ceremony that does not run here is told by its note; its file may not be there yet. */
  async #post(ceremony: Hash): Promise<boolean> {
    const definition = await keptDefinition(this.owned.disk, ceremony)
    return definition !== undefined && postApprovalOwned(this.owned, definition)
  }

  async #definition({ definition, ceremony }: HomeRequest): Promise<Definition> {
    const found =
      definition === undefined
        ? await keptDefinition(this.owned.disk, ceremony as Hash)
        : definitionCodec.decode(utf8(definition))
    if (found !== undefined && ceremonyId(found) === ceremony) return found
    throw new QuorateError('E_NOT_FOUND', 'this home knows no such ceremony', 'give the file with --definition')
  }
}
