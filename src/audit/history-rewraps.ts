import type { Hash } from '../lib/brand.ts'
import type { RewrapShown } from './rewrap-shown.ts'
import type { VerifyReport } from './verify.ts'

interface Verified {
  readonly file: string
  readonly report: Pick<VerifyReport, 'bundle' | 'epoch' | 'rewrapped'>
}

/** A share that lies under other KMS keys since. */
export interface RewrapInHistory extends Pick<RewrapShown, 'site' | 'from' | 'to' | 'witnesses'> {
  readonly ceremony: Hash
  /** Of which epoch; null where its bundle is not here. */
  readonly epoch: number | null
  readonly closed: string | null
  readonly file: string
}

/** Rewraps in use, each by its own bundle, oldest first. */
export const rewrapsIn = (
  bundles: readonly Verified[],
  epochOf: (record: Hash | undefined) => number | undefined,
): readonly RewrapInHistory[] =>
  bundles
    .flatMap(({ file, report: { rewrapped, bundle, epoch } }) => {
      if (rewrapped === null) return []
      const { site, from, to, witnesses } = rewrapped
      const { ceremony, closed } = bundle
      return [{ site, from, to, witnesses, ceremony, epoch: epochOf(epoch?.record) ?? null, closed, file }]
    })
    .sort((a, b) => ((a.closed ?? '') < (b.closed ?? '') ? -1 : 1))

/** Sites that went over from one envelope to two: a home that was set back did, or a liar. */
export const twoEnvelopesIn = (
  bundles: readonly Verified[],
): readonly { readonly reason: string; readonly files: readonly string[] }[] =>
  bundles.flatMap(({ file, report }, at) =>
    bundles.slice(at + 1).flatMap(({ file: other, report: { rewrapped } }) => {
      const first = report.rewrapped
      if (first === null || rewrapped?.old !== first.old || rewrapped.identity !== first.identity) return []
      return [{ reason: `${first.site} went over from one envelope to two`, files: [file, other] }]
    }),
  )
