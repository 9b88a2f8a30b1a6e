import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { historiesOf, type KeyHistory } from '../audit/history.ts'
import type { VerifiedBundle } from '../audit/history-faults.ts'
import { parseTrust } from '../audit/trust.ts'
import type { VerifyReport } from '../audit/verify.ts'
import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { recordKind } from '../records/definition.ts'
import { type HistoryHead, headsOf, readHead } from './key-head.ts'
import { verifyFile } from './verify.ts'

/** Most bundles of one folder. */
const MOST = 10_000
const DAY = 86_400_000

export interface HistoryWanted {
  readonly folder: string
  /** Text of a trust file. */
  readonly trust: string | undefined
  readonly trustStated: boolean
  /** Milliseconds since 1970. */
  readonly at: number | undefined
  readonly require: readonly string[]
  /** Days; shares that are older are overdue. */
  readonly maxAge: number | undefined
  /** Files of `keys show --head`; they need a trust file. */
  readonly heads?: readonly Uint8Array[]
  readonly now: number
}

export interface HistoryReport {
  readonly folder: string
  readonly trust: VerifyReport['trust']
  readonly keys: readonly (KeyHistory & {
    /** Milliseconds since its newest shares were made; null where no bundle says. */
    readonly age: number | null
    readonly overdue: boolean
    /** Signed words of sites that the trust file names. */
    readonly heads: readonly HistoryHead[]
  })[]
  /** Keys that a head is about, and no bundle here. */
  readonly unseen: readonly { readonly key: Hash; readonly name: string }[]
  /** Bundles that are not valid, and files that are none, each with its reason. */
  readonly refused: readonly { readonly file: string; readonly reason: string }[]
  /** Bundles that lack a log, a cosignature or a manifest signature. */
  readonly incomplete: readonly string[]
  /** Ceremonies that made nothing: aborted, or not finished. Of these nothing has to be complete. */
  readonly madeNothing: readonly string[]
  /** The worst of all: of a bundle, of a gap (`incomplete`), of a fork, of another roster or of two results (`invalid`). */
  readonly verdict: VerifyReport['verdict']
}

/** Worst first. */
const ORDER: readonly VerifyReport['verdict'][] = ['invalid', 'unknown-parties', 'incomplete', 'valid']

const bundlesIn = async (folder: string): Promise<readonly string[]> => {
  const found = await readdir(folder)
  const bundles = found.filter((name) => name.endsWith('.bundle')).sort()
  if (bundles.length === 0)
    throw new QuorateError(
      'E_NOT_FOUND',
      `no file in ${folder} ends in .bundle`,
      'name the folder that holds the bundles',
    )
  if (bundles.length > MOST)
    throw new QuorateError('E_USAGE', `more than ${MOST} bundles in ${folder}`, 'split the folder by key')
  return bundles
}

/**
 * Verifies every bundle in a folder, and puts them in order: each key from its keygen to the newest epoch that is here.
 * Offline. Throws E_NOT_FOUND where there is no bundle.
 */
export const verifyHistory = async (wanted: HistoryWanted): Promise<HistoryReport> => {
  const trust = wanted.trust === undefined ? undefined : parseTrust(wanted.trust)
  const heads = trust === undefined ? [] : (wanted.heads ?? []).map((bytes) => readHead(bytes, trust))
  const verified: VerifiedBundle[] = []
  const refused: { file: string; reason: string }[] = []
  for (const file of await bundlesIn(wanted.folder)) {
    try {
      const bundle = join(wanted.folder, file)
      const report = await verifyFile({ ...wanted, bundle, message: undefined })
      verified.push({ file, report })
      if (report.verdict === 'invalid') refused.push({ file, reason: failing(report) })
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      refused.push({ file, reason: error.message })
    }
  }
  const keys = historiesOf(verified).map((key) => {
    const renewed = key.epochs.findLast(({ kind }) => recordKind({ kind }).keepsShares !== true)
    const closed = renewed?.closed ?? null
    const age = closed === null ? null : Math.max(0, wanted.now - Date.parse(closed))
    const overdue = wanted.maxAge !== undefined && (age === null || age > wanted.maxAge * DAY)
    return { ...key, age, overdue, heads: headsOf(heads, key) }
  })
  const faults = keys.flatMap((key) => key.faults.map(({ what }) => what))
  const madeNothing = verified.filter(({ report }) => report.verdict !== 'invalid' && report.bundle.state !== 'made')
  const incomplete = verified.filter((one) => one.report.verdict === 'incomplete' && !madeNothing.includes(one))
  const verdicts = verified.flatMap((one) =>
    one.report.verdict === 'incomplete' && madeNothing.includes(one) ? [] : one.report.verdict,
  )
  if (refused.length > 0 || (['fork', 'roster', 'twice'] as const).some((what) => faults.includes(what)))
    verdicts.push('invalid')
  const unseen = heads.filter((head) => !keys.some(({ key }) => key === head.key))
  const behind = keys.some((key) => key.heads.some(({ says }) => says === 'unknown'))
  if (faults.includes('gap') || behind || unseen.length > 0) verdicts.push('incomplete')
  return {
    folder: wanted.folder,
    trust: wanted.trust !== undefined ? 'file' : wanted.trustStated ? 'stated' : 'none',
    keys,
    unseen: unseen.map(({ key, name }) => ({ key, name })),
    refused,
    incomplete: incomplete.map(({ file }) => file),
    madeNothing: madeNothing.map(({ file }) => file),
    verdict: ORDER.find((verdict) => verdicts.includes(verdict)) ?? 'valid',
  }
}

const failing = ({ checks }: VerifyReport): string =>
  `does not hold: ${checks.flatMap(({ id, verdict }) => (verdict === 'fails' ? [id] : [])).join(', ')}`
