import type { Hash, SiteId } from '../lib/brand.ts'

/** Progress of a run; rendered as lines or as JSON events. */
export type Progress =
  | {
      readonly phase: 'join'
      readonly ceremony: string
      readonly kind: string
      readonly name: string
      readonly site: SiteId
      readonly index: number
      readonly of: number
    }
  | { readonly phase: 'preflight'; readonly checks: readonly string[] }
  | { readonly phase: 'gather'; readonly site: SiteId; readonly state: string; readonly waiting: string | null }
  /** A member that took itself out, and why: its own words. */
  | { readonly phase: 'left'; readonly site: string; readonly reason: string }
  /** A peer that runs other code than this site: hashes of the builds. */
  | {
      readonly phase: 'another-build'
      readonly site: SiteId
      readonly build: Hash
      readonly own: Hash
      readonly runtime: string | null
    }
  /** A peer whose clock is ahead of this machine's by more than the definition's bound for a warning. */
  | { readonly phase: 'clock'; readonly site: SiteId; readonly ahead: number }
  /** A relay of the definition that passes nothing on, while others do. */
  | { readonly phase: 'relay'; readonly url: string; readonly why: string }
  /** A KMS key of this site that is of no use now, while enough others are. */
  | { readonly phase: 'kms'; readonly key: string; readonly why: string }
  /** This site's part is done; its process still runs other ceremonies of the home. */
  | { readonly phase: 'serving'; readonly others: number }
  /** Another process owns the home and runs this join, with what it was given itself: these of this command go unused. */
  | { readonly phase: 'handed-over'; readonly unused: readonly ('relay authority' | 'KMS passphrase')[] }
  | { readonly phase: 'attempt'; readonly number: number; readonly sites: readonly SiteId[] }
  | { readonly phase: 'attempt-failed'; readonly number: number; readonly of: number; readonly reason: string }
  | {
      readonly phase: 'round'
      readonly round: string
      readonly place: number
      readonly of: number
      readonly got: number
      readonly total: number
      readonly waiting: readonly SiteId[]
    }
  | {
      readonly phase: 'step'
      readonly step:
        | 'fenced'
        | 'staged'
        | 'proven'
        | 'ready'
        | 'installed'
        | 'retired'
        | 'signed'
        | 'given'
        | 'readmitted'
        | 'rebound'
        | 'witnessed'
        | 'replaced'
        | 'closed'
      readonly got: number
      readonly total: number
      readonly waiting: readonly SiteId[]
    }
