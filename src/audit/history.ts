import type { Hash } from '../lib/brand.ts'
import type { VerifyReport } from './verify.ts'

/** A bundle, by the name of its file. */
export interface VerifiedBundle {
  readonly file: string
  readonly report: VerifyReport
}

/** An epoch of a key, by the bundle of the ceremony that made it. */
interface EpochShown {
  /** From 1. */
  readonly epoch: number
  readonly kind: VerifyReport['bundle']['kind']
  readonly record: Hash
  readonly base: Hash | null
  readonly ceremony: Hash
  readonly closed: string | null
  readonly verdict: VerifyReport['verdict']
  readonly file: string
}

/**
 * `gap`: the bundle of an epoch, or of the keygen, is not here. `fork`: two ceremonies replaced one record. `twice`: one
 * ceremony has two results. `late`: signed with an epoch after a newer one could be used.
 */
interface HistoryFault {
  readonly what: 'gap' | 'fork' | 'twice' | 'late'
  readonly reason: string
  readonly files: readonly string[]
}

export interface KeyHistory {
  /** Hash of its keygen outcome. */
  readonly key: Hash
  /** As the newest epoch calls it. */
  readonly name: string
  readonly protocol: string
  readonly publicKey: string
  /** Oldest first. */
  readonly epochs: readonly EpochShown[]
  readonly signatures: readonly {
    readonly name: string
    readonly ceremony: Hash
    /** The epoch that signed; null where its bundle is not here. */
    readonly epoch: number | null
    readonly closed: string | null
    readonly verdict: VerifyReport['verdict']
    readonly file: string
  }[]
  readonly faults: readonly HistoryFault[]
}

type Made = VerifiedBundle & {
  readonly report: VerifyReport & {
    readonly key: NonNullable<VerifyReport['key']>
    readonly epoch: NonNullable<VerifyReport['epoch']>
  }
}

/** Bundles that made something of a key, and whose checks do not refuse it. */
const isMade = (one: VerifiedBundle): one is Made =>
  one.report.verdict !== 'invalid' &&
  one.report.bundle.state === 'made' &&
  one.report.key !== null &&
  one.report.epoch !== null

/** One of each ceremony: a second that says the same is another copy. */
const eachOnce = (bundles: readonly Made[]): { readonly once: readonly Made[]; readonly twice: HistoryFault[] } => {
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

const shownOf = ({ file, report }: Made): EpochShown => ({
  epoch: report.epoch.number ?? 0,
  kind: report.bundle.kind,
  record: report.epoch.record,
  base: report.epoch.base,
  ceremony: report.bundle.ceremony,
  closed: report.bundle.closed,
  verdict: report.verdict,
  file,
})

const gapsIn = (epochs: readonly EpochShown[]): HistoryFault[] =>
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

const forksIn = (epochs: readonly EpochShown[]): HistoryFault[] => {
  const byBase = new Map<Hash | null, EpochShown[]>()
  for (const one of epochs) byBase.set(one.base, [...(byBase.get(one.base) ?? []), one])
  return [...byBase].flatMap(([base, list]) =>
    list.length === 1
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

const historyOf = (key: Hash, all: readonly Made[]): KeyHistory => {
  const { once, twice } = eachOnce(all)
  const epochs = once
    .filter(({ report }) => report.epoch.number !== null)
    .map(shownOf)
    .sort((a, b) => a.epoch - b.epoch || (a.record < b.record ? -1 : 1))
  const byRecord = new Map(epochs.map((one) => [one.record, one]))
  const successorOf = (record: Hash): EpochShown | undefined => epochs.find(({ base }) => base === record)
  const signed = once.filter(({ report }) => report.epoch.number === null)
  const unshown = signed.filter(({ report }) => !byRecord.has(report.epoch.record))
  const late = signed.flatMap(({ file, report }): HistoryFault[] => {
    const next = successorOf(report.epoch.record)
    const { closed } = report.bundle
    if (next === undefined || next.closed === null || closed === null || closed <= next.closed) return []
    const reason = `signed with epoch ${next.epoch - 1} at ${closed}, after epoch ${next.epoch} was made at ${next.closed}`
    return [{ what: 'late', reason, files: [file] }]
  })
  const newest = epochs.at(-1)
  const shown = all.find(({ file }) => file === newest?.file) ?? all[0]
  return {
    key,
    name: newest === undefined ? '' : (shown?.report.bundle.name ?? ''),
    protocol: shown?.report.key.protocol ?? '',
    publicKey: shown?.report.key.publicKey ?? '',
    epochs,
    signatures: signed
      .map(({ file, report }) => ({
        name: report.bundle.name,
        ceremony: report.bundle.ceremony,
        epoch: byRecord.get(report.epoch.record)?.epoch ?? null,
        closed: report.bundle.closed,
        verdict: report.verdict,
        file,
      }))
      .sort((a, b) => ((a.closed ?? '') < (b.closed ?? '') ? -1 : 1)),
    faults: [
      ...gapsIn(epochs),
      ...(unshown.length === 0
        ? []
        : [
            {
              what: 'gap' as const,
              reason: 'the bundle of the epoch that signed is not here',
              files: unshown.map(({ file }) => file),
            },
          ]),
      ...forksIn(epochs),
      ...twice,
      ...late,
    ],
  }
}

/** The history of each key that these bundles are about, from its keygen to the newest epoch that they show. */
export const historiesOf = (bundles: readonly VerifiedBundle[]): readonly KeyHistory[] => {
  const byKey = new Map<Hash, Made[]>()
  for (const one of bundles.filter(isMade)) byKey.set(one.report.key.id, [...(byKey.get(one.report.key.id) ?? []), one])
  return [...byKey].map(([key, all]) => historyOf(key, all)).sort((a, b) => (a.key < b.key ? -1 : 1))
}
