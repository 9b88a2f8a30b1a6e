import type { Hash } from '../lib/brand.ts'
import { DecodeError } from '../records/codec.ts'
import type { BundleReader } from './bundle.ts'
import { type BundleFacts, readFacts } from './bundle-facts.ts'
import { type CeremonyResult, resultOf } from './ceremony-result.ts'
import { type Check, type CheckVerdict, type Finding, fails, type Group, groups } from './check.ts'
import { attemptChecks } from './checks/attempts.ts'
import { definitionChecks } from './checks/definition.ts'
import { blameChecks, endingChecks } from './checks/endings.ts'
import { endOf, identityChecks } from './checks/identities.ts'
import { ledgerChecks } from './checks/ledgers.ts'
import { isClosed, logChecks } from './checks/logs.ts'
import { signatureChecks } from './checks/signature.ts'
import { transcriptChecks } from './checks/transcript.ts'
import { possessionChecks, voteChecks } from './checks/votes.ts'
import type { EvidenceOf } from './protocol-evidence.ts'
import type { Trust } from './trust.ts'

/** Every check, in the order of the screen; the first of a group gives its line when all of it holds. */
export const allChecks: readonly Check[] = [
  ...definitionChecks,
  ...identityChecks,
  ...logChecks,
  ...ledgerChecks,
  ...attemptChecks,
  ...transcriptChecks,
  ...possessionChecks,
  ...voteChecks,
  ...signatureChecks,
  ...blameChecks,
  ...endingChecks,
]

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
    readonly kind: 'keygen' | 'sign'
    readonly name: string
    readonly ceremony: Hash
    /** Latest time that a log states; null where none is closed. */
    readonly closed: string | null
    readonly state: 'made' | 'aborted' | 'unfinished'
  }
  readonly key: { readonly id: Hash; readonly protocol: string; readonly publicKey: string } | null
  readonly signature: string | null
  readonly trust: 'file' | 'stated' | 'none'
  readonly lines: readonly { readonly group: Group; readonly verdict: CheckVerdict; readonly reason: string }[]
  readonly checks: readonly CheckReport[]
  /** What no bundle can show. */
  readonly notShown: readonly string[]
  readonly open: number
  readonly failed: number
  /** `incomplete`: nothing fails but a required point is open; `unknown-parties`: consistent, by nobody that was vouched for. */
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

const stateOf = (facts: BundleFacts, made: CeremonyResult | undefined): VerifyReport['bundle']['state'] => {
  if (made?.kind === 'sign' || (made?.kind === 'keygen' && made.voters.length === facts.roster.length)) return 'made'
  return facts.aborts.length + facts.blames.length > 0 ? 'aborted' : 'unfinished'
}

const keyOf = (made: CeremonyResult | undefined): VerifyReport['key'] => {
  if (made?.outcome === undefined || made.outcomeHash === undefined) return null
  return { id: made.outcomeHash, protocol: made.outcome.protocol, publicKey: made.outcome.publicKey }
}

const notShown = (made: CeremonyResult | undefined): readonly string[] => [
  'that all sites together did not collude',
  'that no newer history is withheld: this is the newest known',
  ...(made?.kind === 'sign' ? ['how the key was made: its keygen bundle shows that'] : []),
]

const closedAt = (facts: BundleFacts): string | null =>
  [...facts.logs.values()].some(isClosed) ? `${new Date(endOf(facts)).toISOString().slice(0, 19)}Z` : null

const verdictOf = (checks: readonly CheckReport[], { trust, require = [] }: VerifyOptions): VerifyReport['verdict'] => {
  if (checks.some(({ verdict }) => verdict === 'fails')) return 'invalid'
  const lacks = (point: string): boolean => {
    const wanted = checks.filter(({ id }) => id === point || id.split('.')[0] === point)
    // A check that says nothing about this bundle assures nobody who asked for it.
    return wanted.length === 0 || wanted.some(({ verdict }) => verdict === 'open')
  }
  if (require.some(lacks)) return 'incomplete'
  return trust === undefined ? 'unknown-parties' : 'valid'
}

/**
 * Reads all that a bundle says and runs every check that applies: pure and offline. What does not decode or verify is a
 * failing check, never an error; only what is no bundle at all was refused before, by `readBundle`.
 */
export const verifyBundle = async (bundle: BundleReader, options: VerifyOptions): Promise<VerifyReport> => {
  const { definition } = bundle
  const evidence = await options.evidence(definition)
  const { trust, at, message } = options
  const facts = await readFacts(bundle, evidence, { trust, at, message })
  const checks: CheckReport[] = []
  for (const check of options.checks ?? allChecks) {
    const report = await runCheck(check, facts)
    if (report !== undefined) checks.push(report)
  }
  const made = resultOf(facts)
  return {
    schema: 'quorate/audit-verify/v1',
    bundle: {
      kind: definition.kind,
      name: definition.name,
      ceremony: facts.ceremony,
      closed: closedAt(facts),
      state: stateOf(facts, made),
    },
    key: keyOf(made),
    signature: made?.kind === 'sign' ? made.result.signature : null,
    trust: trust === undefined ? 'none' : trust === 'stated' ? 'stated' : 'file',
    lines: groups.flatMap((group) => lineOf(group, checks)),
    checks,
    notShown: notShown(made),
    open: checks.filter(({ verdict }) => verdict === 'open').length,
    failed: checks.filter(({ verdict }) => verdict === 'fails').length,
    verdict: verdictOf(checks, options),
  }
}
