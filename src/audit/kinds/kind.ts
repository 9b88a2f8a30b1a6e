import type { SiteId } from '../../lib/brand.ts'
import type { Definition } from '../../records/definition.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import type { CeremonyResult } from '../ceremony-result.ts'
import type { CheckId } from '../check-table.ts'
import type { KindOrder } from '../event-order.ts'

/** One kind of ceremony as an auditor sees it. */
export interface AuditKind {
  /** The result of the ceremony, by the records of its bundle; undefined where they show none. */
  result(facts: BundleFacts): CeremonyResult | undefined
  /** True where the promises that make a result final are all here. */
  isFinal(facts: BundleFacts, result: CeremonyResult): boolean
  /**
   * Checks that must report on a bundle of this kind, each wherever it finds what it needs. One that is silent fails: a
   * list that lost a check assures nobody.
   */
  readonly must: readonly CheckId[]
  /** Events that need others before them in the log of a site of this kind than in those of the rest. */
  order(definition: Definition, site: SiteId): KindOrder
  /** Names of its outputs in a bundle. */
  readonly outputs: readonly string[]
  /** Text of the transcript's line after "one transcript at all sites". */
  readonly transcript: string
  /** Facts that no bundle of this kind can show, besides those that none can. */
  readonly notShown: readonly string[]
}

/** Checks that every kind has. */
export const mustAlways = [
  'definition.approved',
  'definition.logged',
  'definition.sound',
  'definition.approvals',
  'definition.approved-in-time',
  'identities.trusted',
  'identities.unrevoked',
  'identities.certificates',
  'identities.separate',
  'log.whole',
  'log.signed',
  'log.ordered',
  'log.timed',
  'log.kept',
  'log.closed',
  'log.present',
  'log.bodies',
  'log.named',
  'log.cosigned',
  'ledger.included',
  'ledger.signed',
  'ledger.agrees',
  'ledger.opened',
  'ledger.remembered',
  'ledger.records',
  'attempts.started',
  'attempts.records',
  'attempts.chained',
  'attempts.greeted',
  'attempts.fresh',
  'attempts.seated',
  'attempts.limited',
  'attempts.certified',
  'attempts.in-window',
  'attempts.ended',
  'transcript.hash',
  'transcript.complete',
  'transcript.signed',
  'transcript.messages',
  'possession.records',
  'votes.records',
  'signature.records',
  'release.records',
  'rewrap.records',
  'release.known',
  'readmit.records',
  'readmit.known',
  'blame.proven',
  'blame.left',
  'blame.records',
  'manifest.signed',
  'attestation.measured',
  'time.stamped',
  'time.clocks',
] as const satisfies readonly CheckId[]
