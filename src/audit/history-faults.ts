import type { Hash } from '../lib/brand.ts'
import { recordKind } from '../records/definition.ts'
import type { VerifyReport } from './verify.ts'

/** A bundle, by the name of its file. */
export interface VerifiedBundle {
  readonly file: string
  readonly report: VerifyReport
}

/** An epoch of a key, by the bundle of the ceremony that made it. */
export interface EpochShown {
  /** From 1. */
  readonly epoch: number
  readonly kind: VerifyReport['bundle']['kind']
  readonly record: Hash
  readonly base: Hash | null
  /** Records that it takes the place of, by its definition. */
  readonly supersedes: readonly Hash[]
  readonly ceremony: Hash
  readonly closed: string | null
  readonly verdict: VerifyReport['verdict']
  readonly file: string
}

/**
 * `gap`: the bundle of an epoch, or of the keygen, is not here. `fork`: two ceremonies replaced one record, and neither
 * names the other. `roster`: an epoch is replaced, or used, by a definition that names other sites as those that hold it.
 * `rival`: a site voted for both of two such records, two emergencies made a fresh key each, or a site went over from one
 * envelope to two. `twice`: one ceremony has two results. `late`: signed with an epoch after a newer one could be used, or
 * with a key that an emergency had taken out of use, when the time to move what it protects was over.
 */
export interface HistoryFault {
  readonly what: 'gap' | 'fork' | 'roster' | 'rival' | 'twice' | 'late'
  readonly reason: string
  readonly files: readonly string[]
}

export type Made = VerifiedBundle & {
  readonly report: VerifyReport & {
    readonly key: NonNullable<VerifyReport['key']>
    readonly epoch: NonNullable<VerifyReport['epoch']>
  }
}

/** One of each ceremony: a second that says the same is another copy. */
export const eachOnce = (
  bundles: readonly Made[],
): { readonly once: readonly Made[]; readonly twice: HistoryFault[] } => {
  const first = new Map<Hash, Made>()
  const twice: HistoryFault[] = []
  const resultOf = ({ report }: Made): string => `${report.epoch.record} ${report.signature}`
  for (const one of bundles) {
    const { ceremony } = one.report.bundle
    const before = first.get(ceremony)
    if (before === undefined) first.set(ceremony, one)
    else if (resultOf(before) !== resultOf(one))
      twice.push({ what: 'twice', reason: `ceremony ${ceremony} has two results`, files: [before.file, one.file] })
  }
  return { once: [...first.values()], twice }
}

export const gapsIn = (epochs: readonly EpochShown[]): HistoryFault[] =>
  epochs.flatMap(({ epoch, base, file }) =>
    base === null || epochs.some(({ record }) => record === base)
      ? []
      : [
          {
            what: 'gap' as const,
            reason: `the bundle of epoch ${epoch - 1}, record ${base}, is not here`,
            files: [file],
          },
        ],
  )

type Successor = Pick<EpochShown, 'record' | 'supersedes'>
const areOrdered = (a: Successor, b: Successor): boolean =>
  a.supersedes.includes(b.record) || b.supersedes.includes(a.record)

/** Of successors of one record that all came true each names the ones before it. */
export const forksIn = (epochs: readonly EpochShown[]): HistoryFault[] => {
  const byBase = new Map<Hash | null, EpochShown[]>()
  for (const one of epochs) byBase.set(one.base, [...(byBase.get(one.base) ?? []), one])
  return [...byBase].flatMap(([base, list]) =>
    list.every((one, at) => list.slice(at + 1).every((other) => areOrdered(one, other)))
      ? []
      : [
          {
            what: 'fork' as const,
            reason: base === null ? 'two keygens made this key' : `${list.length} ceremonies replaced record ${base}`,
            files: list.map(({ file }) => file),
          },
        ],
  )
}

/** Approvals are those of the sites that a definition names: by another roster nobody who holds the key may have given one. */
export const othersIn = (bundles: readonly Made[]): HistoryFault[] =>
  bundles.flatMap(({ file, report: { epoch, bundle } }): HistoryFault[] => {
    const held = epoch.voters.length === 0 ? epoch.record : epoch.base
    const base = bundles.find(({ report }) => report.epoch.record === held && report.epoch.voters.length > 0)
    // A repair names a lost site no more than by its label.
    const unnamed = recordKind({ kind: bundle.kind }).keepsShares === true ? 1 : 0
    const voters = base?.report.epoch.voters ?? []
    const named = new Set(epoch.holders.filter((one) => voters.includes(one)))
    if (base === undefined || (named.size === epoch.holders.length && named.size >= voters.length - unnamed)) return []
    const reason = `names other sites as those that hold epoch ${base.report.epoch.number} than that one’s own bundle`
    return [{ what: 'roster', reason, files: [base.file, file] }]
  })

/** A site that voted for two successors of one record, of which neither names the other. One bundle cannot show that. */
export const rivalsIn = (bundles: readonly Made[]): HistoryFault[] =>
  bundles.flatMap(({ file, report: { epoch } }, at) =>
    bundles.slice(at + 1).flatMap(({ file: other, report }): HistoryFault[] => {
      if (epoch.base === null || report.epoch.base !== epoch.base || report.epoch.record === epoch.record) return []
      const both = areOrdered(epoch, report.epoch)
        ? []
        : epoch.voters.filter((one) => report.epoch.voters.includes(one))
      const reason = `voted for two records that replace ${epoch.base}, and neither names the other: ${both.join(', ')}`
      return both.length === 0 ? [] : [{ what: 'rival', reason, files: [file, other] }]
    }),
  )
