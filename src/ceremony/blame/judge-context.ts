import type { Hash } from '../../lib/brand.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import { testSignerSets } from '../../mpc/test-signature.ts'
import type { Attempt } from '../../records/attempt.ts'
import { type Definition, recordKind, sharesIn } from '../../records/definition.ts'
import type { EpochRecord, Outcome } from '../../records/outcome.ts'
import type { Blame } from '../../records/round.ts'
import { type KnownSession, ownSession, sessionsOf, subSession } from '../session/sub-session.ts'
import type { AnyRules, JudgeContext, SessionContext } from './judge.ts'
import { testContext, testLabel } from './test-session.ts'

/** The attempt's own session in one kind of ceremony, as a stranger knows it. */
export interface KindSessions {
  /** Rules that it runs by: today's protocol first, then those that older versions ran. */
  protocols(scheme: Scheme): readonly [AnyRules, ...AnyRules[]]
  context(facts: PublicFacts): SessionContext
}

/** The public facts that a claim is judged by. Each may be missing: a claim that rests on it is then undecidable. */
export interface PublicFacts {
  readonly definition: Definition
  /** Of the definition's kind. */
  readonly kind: KindSessions
  /** Signed by all its participants; undefined where no such attempt of the claim's name is here. */
  readonly attempt: Attempt | undefined
  readonly protocols: Scheme
  /** By the hash of their bytes: a claim says which it is judged by, so whoever adds more changes nothing. */
  readonly outcomes: ReadonlyMap<Hash, Outcome>
  readonly records: ReadonlyMap<Hash, EpochRecord>
  readonly message: Uint8Array | undefined
}

export const judgeContext = (facts: PublicFacts): JudgeContext => ({
  ...facts,
  protocol: (blame) => protocolOf(facts, blame),
  context: (blame) => contextOf(facts, blame),
})

const ownRules = ({ kind, protocols }: PublicFacts): readonly AnyRules[] => kind.protocols(protocols)

/** A new key is tested by signatures, each in a session of its own. */
const isTested = ({ definition }: PublicFacts): boolean => recordKind(definition).makes === 'key'

/** Rules of all protocols that one runs inside, in turn. */
const innerRules = (rules: AnyRules): readonly AnyRules[] =>
  Object.values(rules.within ?? {}).flatMap((inner): readonly AnyRules[] => [inner.rules, ...innerRules(inner.rules)])

/**
 * The definition fixes the protocol of a session: an accuser who names another protocol makes no honest message false.
 */
const protocolOf = (facts: PublicFacts, blame: Blame): AnyRules | undefined => {
  const own = ownRules(facts)
  if (blame.within === null) return own.find(({ id }) => id === blame.protocol)
  const inner = own.flatMap(innerRules).find(({ id }) => id === blame.protocol)
  return inner ?? (isTested(facts) ? facts.protocols.sign : undefined)
}

/**
 * Protocols that an attempt may have run, today's first, each with the sessions inside it; of an unknown context the
 * attempt's own alone.
 */
export const sessionsOfAttempt = (
  facts: PublicFacts,
  attempt: Hash,
): readonly { readonly rules: AnyRules; readonly sessions: readonly KnownSession[] }[] => {
  const parties = facts.attempt?.participants.length ?? 0
  const own = facts.kind.context(facts)
  return ownRules(facts).map((rules) => ({
    rules,
    sessions:
      typeof own === 'string'
        ? [ownSession(attempt, rules, undefined, parties)]
        : sessionsOf(attempt, rules, own.context, parties),
  }))
}

/** Sessions of the test signatures of every record that this attempt led to. */
export const testSessions = (
  { definition, protocols, records, outcomes }: PublicFacts,
  attempt: Hash,
): KnownSession[] =>
  [...records].flatMap(([hash, record]) => {
    const outcome = outcomes.get(record.outcome)
    if (outcome?.attempt !== attempt) return []
    return testSignerSets(sharesIn(definition), definition.threshold).map((members, set) => {
      const name = { protocol: protocols.sign.id, label: testLabel(set, hash), members: members.map(Number) }
      const context = testContext(outcome, hash, members)
      return { id: subSession(attempt, name), rules: protocols.sign, context, name, members, inTranscript: false }
    })
  })

const contextOf = (facts: PublicFacts, blame: Blame): SessionContext => {
  if (facts.attempt === undefined) return 'unknown'
  const own = facts.kind.context(facts)
  const { within } = blame
  if (within === null) return own
  const declared = sessionsOfAttempt(facts, blame.attempt)
    .flatMap(({ sessions }) => sessions)
    .find(({ id, rules }) => id === blame.session && rules.id === blame.protocol)
  if (declared !== undefined) return { context: declared.context }
  if (isTested(facts)) return testContextOf(facts, blame.attempt, within)
  return own === 'unknown' ? own : 'none'
}

/** Outcome of a record; undefined where either is not here. */
export const outcomeOf = (
  { records, outcomes }: Pick<PublicFacts, 'records' | 'outcomes'>,
  record: Hash,
): Outcome | undefined => {
  const found = records.get(record)
  return found && outcomes.get(found.outcome)
}

const RECORD = /^[0-9a-f]{64}$/

/** A test signature's session is that of one signer set, over the record that its label ends in. */
const testContextOf = (
  facts: PublicFacts,
  attempt: Hash,
  { label, members }: NonNullable<Blame['within']>,
): SessionContext => {
  const { definition, protocols } = facts
  const sets = testSignerSets(sharesIn(definition), definition.threshold)
  const set = sets.findIndex((one) => one.join() === members.join())
  // Version 0.1 put the protocol before it.
  const start = [testLabel(set, '' as Hash), `${protocols.sign.id}:${testLabel(set, '' as Hash)}`].find((one) =>
    label.startsWith(one),
  )
  const record = label.slice(start?.length) as Hash
  if (set < 0 || start === undefined || !RECORD.test(record)) return 'none'
  const outcome = outcomeOf(facts, record)
  if (outcome === undefined) return 'unknown'
  return outcome.attempt === attempt ? { context: testContext(outcome, record, members) } : 'none'
}
