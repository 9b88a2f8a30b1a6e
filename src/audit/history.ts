import type { Hash } from '../lib/brand.ts'
import {
  type EpochShown,
  eachOnce,
  forksIn,
  gapsIn,
  type HistoryFault,
  type Made,
  othersIn,
  rivalsIn,
  type VerifiedBundle,
} from './history-faults.ts'
import { type RewrapInHistory, rewrapsIn, twoEnvelopesIn } from './history-rewraps.ts'
import { type ReadmissionShown, readmissionsOnce } from './readmitted.ts'
import type { WholeKeyGiven } from './reconstructed.ts'
import type { VerifyReport } from './verify.ts'

/** An emergency that put a fresh key in the place of this one, by its bundle. */
interface ReplacementShown {
  /** The fresh key: hash of its keygen outcome. */
  readonly key: Hash
  readonly name: string
  readonly ceremony: Hash
  readonly closed: string | null
  /** Holders of this key that promised to leave it alone, and those that did not. */
  readonly fenced: readonly string[]
  readonly left: readonly string[]
  /** As many promised as sign together. */
  readonly retired: boolean
  /** Fewer are left than sign together. */
  readonly outOfUse: boolean
  readonly sweep: string
  readonly file: string
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
  /** That no bundle shows all votes for, and in whose place one of `epochs` came. */
  readonly superseded: readonly EpochShown[]
  readonly signatures: readonly {
    readonly name: string
    readonly ceremony: Hash
    /** The epoch that signed; null where its bundle is not here. */
    readonly epoch: number | null
    readonly closed: string | null
    readonly verdict: VerifyReport['verdict']
    readonly file: string
    /** Made after an emergency had taken the key out of use. */
    readonly afterFence: boolean
  }[]
  /** Ceremonies that gave the whole key away, oldest first: every signature after the first may be by whoever holds it. */
  readonly reconstructed: readonly {
    readonly ceremony: Hash
    readonly recipients: WholeKeyGiven['recipients']
    readonly reason: string
    /** When its bundle was closed; null where that is not here, and only later ones speak of it. */
    readonly closed: string | null
    readonly file: string
    /** Signatures here that were closed after it. */
    readonly signedAfter: number
  }[]
  /** Sites of the key that were taken back after their ledger had gone back, each readmission once. */
  readonly readmitted: readonly ReadmissionShown[]
  /** Shares that lie under other KMS keys since, oldest first. */
  readonly rewrapped: readonly RewrapInHistory[]
  /** Emergencies that put a fresh key in its place, oldest first; none: it was not replaced, as far as is known. */
  readonly replaced: readonly ReplacementShown[]
  readonly faults: readonly HistoryFault[]
}

/** Bundles that show something of a key, and whose checks do not refuse it. */
const isShown = (one: VerifiedBundle): one is Made =>
  one.report.verdict !== 'invalid' && one.report.key !== null && one.report.epoch !== null

const isMade = ({ report }: Made): boolean => report.bundle.state === 'made'

const shownOf = ({ file, report }: Made): EpochShown => ({
  epoch: report.epoch.number ?? 0,
  kind: report.bundle.kind,
  record: report.epoch.record,
  base: report.epoch.base,
  supersedes: report.epoch.supersedes,
  ceremony: report.bundle.ceremony,
  closed: report.bundle.closed,
  verdict: report.verdict,
  file,
})

/** Oldest first: of two successors of one record the one that names the other comes after it. */
const inOrder = (bundles: readonly Made[]): readonly EpochShown[] => {
  const epochs = bundles.filter(({ report }) => report.epoch.number !== null).map(shownOf)
  const named = (one: EpochShown): number =>
    epochs.filter(({ epoch, record }) => epoch === one.epoch && one.supersedes.includes(record)).length
  return epochs.sort((a, b) => a.epoch - b.epoch || named(a) - named(b) || (a.record < b.record ? -1 : 1))
}

/** By its own bundle, or by what later ones say; each ceremony once, its own bundle before others' words. */
const reconstructedIn = (here: readonly Made[], signed: readonly Made[]): KeyHistory['reconstructed'] => {
  const own = (one: Made, ceremony: Hash): boolean => one.report.bundle.ceremony === ceremony
  const said = here.flatMap((one) => one.report.reconstructed.map((given) => ({ one, given })))
  const first = new Map<Hash, (typeof said)[number]>()
  for (const { one, given } of said)
    if (!first.has(given.ceremony) || own(one, given.ceremony)) first.set(given.ceremony, { one, given })
  return [...first.values()]
    .map(({ one, given: { ceremony, recipients, reason } }) => {
      const closed = own(one, ceremony) ? one.report.bundle.closed : null
      const after = signed.filter(
        ({ report }) =>
          report.reconstructed.some((given) => given.ceremony === ceremony) ||
          (closed !== null && report.bundle.closed !== null && report.bundle.closed > closed),
      )
      return { ceremony, recipients, reason, closed, file: one.file, signedAfter: after.length }
    })
    .sort((a, b) => ((a.closed ?? '') < (b.closed ?? '') ? -1 : 1))
}

/**
 * Emergencies of a key. The definition names the holders, so they are held against those of the epoch that it names: a bundle
 * of others says nothing of this key.
 */
const replacementsOf = (key: Hash, own: readonly Made[], all: readonly Made[]): readonly ReplacementShown[] =>
  all
    .flatMap(({ file, report }): ReplacementShown[] => {
      const { fences, bundle } = report
      if (fences?.key !== key || bundle.state !== 'made') return []
      // A signature names the record, too, and no voters.
      const base = own
        .map((one) => one.report.epoch)
        .find((epoch) => epoch.number !== null && epoch.record === fences.base)
      const same = base?.threshold === fences.threshold && sameSet(base.voters, fences.holders)
      if (!same) return []
      const { fenced, left, retired, outOfUse, sweep } = fences
      const { name, ceremony, closed } = bundle
      return [{ key: report.key.id, name, ceremony, closed, fenced, left, retired, outOfUse, sweep, file }]
    })
    .filter((one, at, list) => list.findIndex(({ ceremony }) => ceremony === one.ceremony) === at)
    .sort((a, b) => ((a.closed ?? '') < (b.closed ?? '') ? -1 : 1))

const sameSet = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((one) => others.includes(one))

const historyOf = (key: Hash, here: readonly Made[], everything: readonly Made[]): KeyHistory => {
  const all = here.filter(isMade)
  const { once, twice } = eachOnce(all)
  const epochs = inOrder(once)
  const made = new Set(once.map(({ report }) => report.bundle.ceremony))
  const unfinished = eachOnce(here.filter(({ report }) => !made.has(report.bundle.ceremony))).once
  const superseded = inOrder(unfinished).filter(({ record }) => epochs.some((one) => one.supersedes.includes(record)))
  const byRecord = new Map(epochs.map((one) => [one.record, one]))
  /** The first that came in its place. */
  const successorOf = (record: Hash): EpochShown | undefined =>
    epochs.find(({ base, supersedes }) => base === record || supersedes.includes(record))
  const signed = once.filter(({ report }) => report.signature !== null)
  const unshown = signed.filter(({ report }) => !byRecord.has(report.epoch.record))
  const late = signed.flatMap(({ file, report }): HistoryFault[] => {
    const next = successorOf(report.epoch.record)
    const { closed } = report.bundle
    if (next === undefined || next.closed === null || closed === null || closed <= next.closed) return []
    const reason = `signed with epoch ${byRecord.get(report.epoch.record)?.epoch ?? next.epoch - 1} at ${closed}, after epoch ${next.epoch} was made at ${next.closed}`
    return [{ what: 'late', reason, files: [file] }]
  })
  const replaced = replacementsOf(key, all, everything)
  // As many as sign together said so: fewer do not speak for the key.
  const fence = replaced.find(({ retired, closed }) => retired && closed !== null)
  const isAfterFence = (closed: string | null): boolean =>
    fence?.closed != null && closed !== null && closed > fence.closed
  const swept = signed.flatMap(({ file, report }): HistoryFault[] => {
    const { closed } = report.bundle
    if (fence === undefined || closed === null || !isAfterFence(closed) || closed <= fence.sweep) return []
    const reason = `signed at ${closed}, after ${fence.name} took its place at ${fence.closed} and the time to move what it protects ended at ${fence.sweep}`
    return [{ what: 'late', reason, files: [file] }]
  })
  const twofold: readonly HistoryFault[] =
    new Set(replaced.map((one) => one.key)).size < 2
      ? []
      : [
          {
            what: 'rival',
            reason: `${replaced.length} emergencies put a fresh key in its place: people have to say which counts`,
            files: replaced.map(({ file }) => file),
          },
        ]
  const newest = epochs.at(-1)
  const shown = all.find(({ file }) => file === newest?.file) ?? all[0]
  return {
    key,
    name: newest === undefined ? '' : (shown?.report.bundle.name ?? ''),
    protocol: shown?.report.key.protocol ?? '',
    publicKey: shown?.report.key.publicKey ?? '',
    epochs,
    superseded,
    signatures: signed
      .map(({ file, report }) => ({
        name: report.bundle.name,
        ceremony: report.bundle.ceremony,
        epoch: byRecord.get(report.epoch.record)?.epoch ?? null,
        closed: report.bundle.closed,
        verdict: report.verdict,
        file,
        afterFence: isAfterFence(report.bundle.closed),
      }))
      .sort((a, b) => ((a.closed ?? '') < (b.closed ?? '') ? -1 : 1)),
    reconstructed: reconstructedIn(here, signed),
    readmitted: readmissionsOnce(here.map(({ report }) => report)),
    rewrapped: rewrapsIn(once, (record) => (record === undefined ? undefined : byRecord.get(record)?.epoch)),
    replaced,
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
      ...othersIn(once),
      ...rivalsIn([...once, ...unfinished]),
      ...twoEnvelopesIn(once).map((fault) => ({ what: 'rival' as const, ...fault })),
      ...twice,
      ...late,
      ...swept,
      ...twofold,
    ],
  }
}

/** The history of each key that these bundles are about, from its keygen to the newest epoch that they show. */
export const historiesOf = (bundles: readonly VerifiedBundle[]): readonly KeyHistory[] => {
  const byKey = new Map<Hash, Made[]>()
  const shown = bundles.filter(isShown)
  for (const one of shown) byKey.set(one.report.key.id, [...(byKey.get(one.report.key.id) ?? []), one])
  return [...byKey]
    .filter(([, all]) => all.some(isMade))
    .map(([key, all]) => historyOf(key, all, shown))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
}
