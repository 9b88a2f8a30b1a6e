import type { Hash } from '../../lib/brand.ts'
import { fromHex } from '../../lib/bytes.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import { testSignerSets } from '../../mpc/test-signature.ts'
import type { Attempt } from '../../records/attempt.ts'
import type { Definition } from '../../records/definition.ts'
import type { EpochRecord, Outcome } from '../../records/outcome.ts'
import type { Blame } from '../../records/round.ts'
import type { AnyRules, JudgeContext, SessionContext } from './judge.ts'
import { testContext, testLabel } from './test-session.ts'

/** The public facts that a claim is judged by. Each may be missing: a claim that rests on it is then undecidable. */
export interface PublicFacts {
  readonly definition: Definition
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

/** What a session runs is fixed by the definition: an accuser who names another protocol makes no honest message false. */
const protocolOf = ({ definition, protocols }: PublicFacts, blame: Blame): AnyRules | undefined => {
  if (definition.kind === 'keygen' && blame.within === null)
    return [protocols.keygen, ...protocols.past.keygen].find(({ id }) => id === blame.protocol)
  if (definition.kind === 'keygen') return protocols.sign
  return blame.within === null ? protocols.sign : undefined
}

const contextOf = (facts: PublicFacts, blame: Blame): SessionContext => {
  const { definition, attempt } = facts
  if (attempt === undefined) return 'unknown'
  if (definition.kind === 'keygen') {
    if (blame.within !== null) return testContextOf(facts, blame.attempt, blame.within)
    return { context: { threshold: definition.threshold, parties: definition.sites.length } }
  }
  if (blame.within !== null || attempt.base === null) return 'none'
  const outcome = outcomeOf(facts, attempt.base)
  if (outcome === undefined) return 'unknown'
  return {
    context: {
      threshold: outcome.threshold,
      publicKey: fromHex(outcome.publicKey),
      indices: attempt.participants.map((one) => definition.sites.findIndex((site) => site.name === one.site) + 1),
      verifyingShares: outcome.verifyingShares.map(fromHex),
      message: facts.message,
    },
  }
}

const outcomeOf = ({ records, outcomes }: PublicFacts, record: Hash): Outcome | undefined => {
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
  const sets = testSignerSets(definition.sites.length, definition.threshold)
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
