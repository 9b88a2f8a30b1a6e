import type { Hash } from '../lib/brand.ts'
import { DecodeError } from '../records/codec.ts'
import { type Definition, recordKind } from '../records/definition.ts'
import type { Kind } from '../records/kinds/index.ts'
import { type BuildShown, buildsOf } from './builds.ts'
import type { BundleReader } from './bundle.ts'
import { type BundleFacts, readFacts } from './bundle-facts.ts'
import type { CeremonyResult } from './ceremony-result.ts'
import {
  accuses,
  type Check,
  type CheckVerdict,
  type Finding,
  fails,
  type Group,
  groups,
  type Need,
  names,
} from './check.ts'
import { allChecks, type CheckId } from './check-table.ts'
import { answersFor } from './checks/faults.ts'
import { isClosed } from './checks/logs.ts'
import { type BundleEpoch, epochOf } from './epoch-shown.ts'
import { type FenceShown, fenceOf } from './fence-shown.ts'
import { auditKind } from './kinds/index.ts'
import type { AuditKind } from './kinds/kind.ts'
import type { EvidenceOf } from './protocol-evidence.ts'
import { type ReadmissionShown, readmissionsShown } from './readmitted.ts'
import { type SaidReconstructed, type WholeKeyGiven, wholeKeyGiven } from './reconstructed.ts'
import { type RewrapShown, rewrapShown } from './rewrap-shown.ts'
import { reachedBy } from './times.ts'
import type { Trust } from './trust.ts'

export interface VerifyOptions {
  /** 'stated': the identities that the bundle names are believed; undefined: nobody is. */
  readonly trust: Trust | 'stated' | undefined
  /** Milliseconds since 1970 after which nothing in the bundle may lie. */
  readonly at?: number
  /** The signed file, where it is not in the bundle. */
  readonly message?: Uint8Array
  /** Groups or ids that must hold: open, or nothing to check here, is then not enough. */
  readonly require?: readonly string[]
  readonly evidence: EvidenceOf
  readonly checks?: readonly Check[]
}

interface CheckReport extends Finding {
  readonly id: string
}

export interface VerifyReport {
  readonly schema: 'quorate/audit-verify/v1'
  readonly bundle: {
    readonly kind: Kind
    readonly name: string
    readonly ceremony: Hash
    /** Latest time that a quorum of sites reach, each by its log or its records; null where no log is closed. */
    readonly closed: string | null
    readonly state: 'made' | 'aborted' | 'unfinished'
  }
  /** Code and runtime as sites state them. */
  readonly builds: readonly BuildShown[]
  readonly key: { readonly id: Hash; readonly protocol: string; readonly publicKey: string } | null
  /** The epoch that was made, or that signed. */
  readonly epoch: BundleEpoch | null
  /** The key that an emergency takes out of use; null of every other kind. */
  readonly fences: FenceShown | null
  readonly signature: string | null
  /** The share that lies under other KMS keys since; null where none was sealed anew. */
  readonly rewrapped: RewrapShown | null
  /** Ceremonies that gave the whole key away: this one, and those of which sites say here that they were before. */
  readonly reconstructed: readonly WholeKeyGiven[]
  /** Ceremonies that took a site of the key back after its ledger had gone back: this one, and those that sites name here. */
  readonly readmitted: readonly ReadmissionShown[]
  readonly trust: 'file' | 'stated' | 'none'
  /** The file that the auditor gave as the message: the one that the definition names, or another. */
  readonly messageGiven: 'none' | 'same' | 'another'
  readonly lines: readonly { readonly group: Group; readonly verdict: CheckVerdict; readonly reason: string }[]
  readonly checks: readonly CheckReport[]
  /** Participants that contradict themselves, and the checks that show it. The result may hold all the same. */
  readonly contradictions: readonly { readonly by: string; readonly checks: readonly string[] }[]
  /** Checks that say what is missing from the bundle: a log, a record, a cosignature, a manifest signature. */
  readonly missing: readonly string[]
  /** Points that were required and are open, or are none of this bundle's. */
  readonly unmet: readonly string[]
  /** Facts that no bundle can show. */
  readonly notShown: readonly string[]
  readonly open: number
  readonly failed: number
  /**
   * `invalid`: what was made does not hold, or is not what the bundle says. `unknown-parties`: consistent, by nobody that was
   * vouched for. `incomplete`: nothing fails; something is missing, or a required point is open.
   */
  readonly verdict: 'valid' | 'invalid' | 'incomplete' | 'unknown-parties'
}

const runCheck = async (check: Check, facts: BundleFacts): Promise<CheckReport | undefined> => {
  try {
    const finding = await check.run(facts)
    return finding && { id: check.id, ...finding }
  } catch (error) {
    if (!(error instanceof DecodeError) && !(error instanceof RangeError)) throw error
    return { id: check.id, ...fails(`could not be checked: ${error.message}`) }
  }
}

const lineOf = (group: Group, checks: readonly CheckReport[]): VerifyReport['lines'] => {
  const own = checks.filter(({ id }) => id.startsWith(`${group}.`))
  const [first] = own
  if (first === undefined) return []
  const worst = own.find(({ verdict }) => verdict === 'fails') ?? own.find(({ verdict }) => verdict === 'open') ?? first
  return [{ group, verdict: worst.verdict, reason: worst === first ? (first.line ?? first.reason) : worst.reason }]
}

const stateOf = (
  kind: AuditKind,
  facts: BundleFacts,
  made: CeremonyResult | undefined,
): VerifyReport['bundle']['state'] => {
  if (made !== undefined && kind.isFinal(facts, made)) return 'made'
  return facts.aborts.length + facts.blames.length > 0 ? 'aborted' : 'unfinished'
}

/** True where some log names something that this check answers for. */
const isNamed = ({ logs, definition }: BundleFacts, check: CheckId): boolean => {
  const events = answersFor(definition, check)
  return [...logs.values()].some(({ entries }) => entries.some(({ what }) => events.includes(what)))
}

const isThere: Readonly<Record<Need, (facts: BundleFacts, made: CeremonyResult | undefined) => boolean>> = {
  result: (_, made) => made !== undefined,
  claims: ({ blames }) => blames.length > 0,
  aborts: ({ aborts }) => aborts.length > 0,
  endings: ({ blames, aborts, faults }) =>
    blames.length + aborts.length + faults.filter(({ what }) => what === 'abort' || what === 'evidence').length > 0,
  proofs: (facts) => recordKind(facts.definition).makes === 'key' || isNamed(facts, 'possession.records'),
  votes: (facts) => recordKind(facts.definition).makes === 'key' || isNamed(facts, 'votes.records'),
  statements: (facts) => recordKind(facts.definition).makes === 'signature' || isNamed(facts, 'signature.records'),
  releases: (facts) => isNamed(facts, 'release.records'),
  readmissions: (facts) => isNamed(facts, 'readmit.records'),
  rewraps: (facts) => isNamed(facts, 'rewrap.records'),
  reconstructed: ({ logs }) =>
    [...logs.values()].some(({ entries }) => entries.some(({ what }) => what === 'reconstructed')),
  readmitted: ({ logs }) =>
    [...logs.values()].some(({ entries }) => entries.some(({ what }) => what === 'readmission')),
  measurements: ({ definition }) => definition.sites.some(({ measurement }) => measurement !== null),
}

/**
 * Findings of every check that finds what it needs, and a failure for each that had to report and did not, or that the
 * kind does not list and reports.
 */
const runChecks = async (
  checks: readonly Check[],
  kind: AuditKind,
  facts: BundleFacts,
  made: CeremonyResult | undefined,
): Promise<readonly CheckReport[]> => {
  const applies = ({ needs }: Check): boolean => needs === undefined || isThere[needs](facts, made)
  const reports: CheckReport[] = []
  for (const check of checks.filter(applies)) {
    const report = await runCheck(check, facts)
    if (report !== undefined) reports.push(report)
  }
  const must: ReadonlySet<string> = new Set(kind.must)
  const silent = allChecks.filter(
    (check) => must.has(check.id) && applies(check) && !reports.some(({ id }) => id === check.id),
  )
  const { kind: name } = facts.definition
  const reason = `said nothing, and every bundle of a ${name} ceremony has what it looks at`
  const unasked = (id: string): boolean => !must.has(id) && allChecks.some((check) => check.id === id)
  return [
    ...reports.map((one) =>
      unasked(one.id)
        ? { id: one.id, ...fails(`had something to say, and no ${name} ceremony is known to have it`) }
        : one,
    ),
    ...silent.map(({ id }) => ({ id, ...fails(reason) })),
  ]
}

const keyOf = (definition: Definition, made: CeremonyResult | undefined): VerifyReport['key'] => {
  if (made?.outcome === undefined || made.outcomeHash === undefined) return null
  return {
    id: recordKind(definition).key(definition) ?? made.outcomeHash,
    protocol: made.outcome.protocol,
    publicKey: made.outcome.publicKey,
  }
}

/** This ceremony counts once enough shares are given. */
const givenIn = ({ definition, reconstructed }: BundleFacts, made: CeremonyResult | undefined): SaidReconstructed[] =>
  'recipients' in definition && made?.makes === 'proof' && made.stated.length >= definition.threshold
    ? [{ definition, by: made.stated }, ...reconstructed]
    : [...reconstructed]

const neverShown: readonly string[] = [
  'that all sites together did not collude',
  'that no newer history is withheld: this is the newest known',
]

const closedAt = ({ logs, words, definition }: BundleFacts): string | null => {
  const end = [...logs.values()].some(isClosed) ? reachedBy(words, definition.threshold) : undefined
  return end === undefined ? null : `${new Date(end).toISOString().slice(0, 19)}Z`
}

const contradictionsIn = (checks: readonly CheckReport[]): VerifyReport['contradictions'] => {
  const by = new Map<string, string[]>()
  for (const { id, accused = [] } of checks) for (const name of accused) by.set(name, [...(by.get(name) ?? []), id])
  return [...by].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, ids]) => ({ by: name, checks: ids }))
}

/**
 * All whom the checks accuse, together: a quorum of liars is one also where each check alone would let it pass. Undefined
 * where nobody is accused.
 */
const together = (facts: BundleFacts, checks: readonly CheckReport[]): CheckReport | undefined => {
  const accused = checks.flatMap((check) => check.accused ?? [])
  if (accused.length === 0) return undefined
  const { verdict } = accuses(facts, accused, '')
  const reason =
    verdict === 'fails'
      ? `what is here rests on those who contradict themselves: ${names(accused)}`
      : `contradicted themselves, and what was made stands beside it: ${names(accused)}`
  return { id: 'blame.contradicted', verdict, reason, inputs: [] }
}

/** Required points that do not hold. A check that says nothing about this bundle assures nobody who asked for it. */
const unmetIn = (checks: readonly CheckReport[], required: readonly string[]): readonly string[] =>
  required.filter((point) => {
    const wanted = checks.filter(({ id }) => id === point || id.split('.')[0] === point)
    return wanted.length === 0 || wanted.some(({ verdict }) => verdict !== 'holds')
  })

const verdictOf = (
  { checks, missing, unmet }: Pick<VerifyReport, 'checks' | 'missing' | 'unmet'>,
  trust: VerifyOptions['trust'],
): VerifyReport['verdict'] => {
  if (checks.some(({ verdict }) => verdict === 'fails')) return 'invalid'
  if (unmet.length > 0) return 'incomplete'
  if (trust === undefined) return 'unknown-parties'
  return missing.length > 0 ? 'incomplete' : 'valid'
}

/**
 * Reads all that a bundle says and runs every check that applies: pure and offline. A part that does not decode or
 * verify is a failing check, never an error; a file that is no bundle at all was refused before, by `readBundle`.
 * Throws E_BUNDLE where no row of the audit's kinds knows the definition's.
 */
export const verifyBundle = async (bundle: BundleReader, options: VerifyOptions): Promise<VerifyReport> => {
  const { definition } = bundle
  const kind = auditKind(definition)
  const evidence = await options.evidence(definition)
  const { trust, at, message } = options
  const facts = await readFacts(bundle, evidence, { trust, at, message })
  const made = kind.result(facts)
  const table: readonly Check[] = options.checks ?? allChecks
  const found = await runChecks(table, kind, facts, made)
  const contradicted = together(facts, found)
  const checks = contradicted === undefined ? found : [...found, contradicted]
  const missing = checks
    .filter(({ id, verdict }) => verdict === 'open' && table.find((one) => one.id === id)?.completes === true)
    .map(({ id }) => id)
  const unmet = unmetIn(checks, options.require ?? [])
  return {
    schema: 'quorate/audit-verify/v1',
    bundle: {
      kind: definition.kind,
      name: definition.name,
      ceremony: facts.ceremony,
      closed: closedAt(facts),
      state: stateOf(kind, facts, made),
    },
    builds: buildsOf([...facts.hellos.values()].map(({ value }) => value)),
    key: keyOf(definition, made),
    epoch: epochOf(facts, made),
    fences: fenceOf(facts) ?? null,
    signature: made?.signature ?? null,
    rewrapped: rewrapShown(facts) ?? null,
    reconstructed: givenIn(facts, made).map(wholeKeyGiven),
    readmitted: readmissionsShown(facts, facts.held('readmitted'), stateOf(kind, facts, made) === 'made'),
    trust: trust === undefined ? 'none' : trust === 'stated' ? 'stated' : 'file',
    messageGiven: message === undefined ? 'none' : facts.givenAnother ? 'another' : 'same',
    lines: groups.flatMap((group) => lineOf(group, checks)),
    checks,
    contradictions: contradictionsIn(checks),
    missing,
    unmet,
    notShown: [...neverShown, ...kind.notShown],
    open: checks.filter(({ verdict }) => verdict === 'open').length,
    failed: checks.filter(({ verdict }) => verdict === 'fails').length,
    verdict: verdictOf({ checks, missing, unmet }, trust),
  }
}
