import type { SiteId } from '../lib/brand.ts'
import type { CeremonyEventName, LogEvent } from '../records/event.ts'

type Name = LogEvent['what']

/** Events of the log's own site that need each of these before them in the same log. */
const needs: Readonly<Partial<Record<CeremonyEventName, readonly CeremonyEventName[]>>> = {
  joined: ['opened'],
  definition: ['opened'],
  attempt: ['definition', 'approval', 'joined'],
  started: ['attempt'],
  message: ['started'],
  staged: ['outcome'],
  possession: ['staged', 'record'],
  ready: ['staged', 'record'],
  'ready-set': ['ready'],
  installed: ['ready-set'],
  retired: ['installed'],
  release: ['attempt', 'outcome', 'record'],
  readmitted: ['attempt', 'outcome', 'record'],
  rebound: ['attempt', 'outcome', 'record'],
  rewrapped: ['attempt', 'outcome', 'record'],
  witnessed: ['attempt', 'outcome', 'record'],
  replaced: ['rewrapped'],
}

/** Events of the log's own site that may not come after one of these of its own. */
const never: Readonly<Partial<Record<CeremonyEventName, readonly CeremonyEventName[]>>> = {
  attempt: ['ready', 'result', 'release', 'rewrapped', 'witnessed', 'readmitted', 'rebound', 'abort'],
  started: ['ready', 'result', 'release', 'rewrapped', 'witnessed', 'readmitted', 'rebound', 'abort'],
  message: ['ready', 'abort'],
  staged: ['ready', 'abort'],
  ready: ['abort'],
  release: ['abort'],
  readmitted: ['abort'],
  rebound: ['abort'],
  rewrapped: ['abort'],
  witnessed: ['abort'],
  replaced: ['abort'],
  abort: ['ready', 'result', 'release', 'witnessed', 'replaced', 'readmitted', 'rebound'],
}

const once: ReadonlySet<Name> = new Set<CeremonyEventName>(['opened', 'definition', 'ready-set', 'closing'])

/** Events that need others before them in a kind's logs than `needs` says. */
export type KindOrder = typeof needs

/** Watches one ceremony log go by; `fault` is the first event that stands where it may not. */
export class OrderWatch {
  readonly #site: SiteId
  readonly #needs: KindOrder
  readonly #seen = new Set<Name>()
  fault: string | undefined

  constructor(site: SiteId, order: KindOrder) {
    this.#site = site
    this.#needs = { ...needs, ...order }
  }

  see(event: LogEvent): void {
    this.fault ??= this.#wrong(event)
    if (event.site === null || event.site === this.#site) this.#seen.add(event.what)
  }

  #wrong({ what, seq, site, object }: LogEvent): string | undefined {
    const own = site === null || site === this.#site
    if ((what === 'opened') !== (seq === 0))
      return `event ${seq}: ${what} is not the first event of a log, or opened is not`
    if ((what === 'closing') !== (object === null)) return `event ${seq}: ${what} names nothing, or closing something`
    if (this.#seen.has('closing')) return `event ${seq}: ${what} after closing`
    if (own && once.has(what) && this.#seen.has(what)) return `event ${seq}: ${what} a second time`
    if (!own) return undefined
    const missing = this.#needs[what as CeremonyEventName]?.find((name) => !this.#seen.has(name))
    if (missing !== undefined) return `event ${seq}: ${what} before any ${missing}`
    const over = never[what as CeremonyEventName]?.find((name) => this.#seen.has(name))
    return over === undefined ? undefined : `event ${seq}: ${what} after ${over}`
  }
}
