import type { Hash } from '../../lib/brand.ts'
import { fromHex } from '../../lib/bytes.ts'
import type { Protocols } from '../../mpc/registry.ts'
import { testSignerSets } from '../../mpc/test-signature.ts'
import type { Attempt } from '../../records/attempt.ts'
import type { Definition } from '../../records/definition.ts'
import type { EpochRecord, Outcome } from '../../records/outcome.ts'
import type { Blame } from '../../records/round.ts'
import type { AnyProtocol, JudgeContext } from './judge.ts'
import { testContext, testLabel } from './test-session.ts'

/** The public facts that a claim is judged by; each may be missing, and then nothing that needs it is proven. */
export interface PublicFacts {
  readonly definition: Definition
  /** Signed by all its participants; undefined where the claim names none such. */
  readonly attempt: Attempt | undefined
  readonly protocols: Protocols
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
const protocolOf = ({ definition, protocols }: PublicFacts, blame: Blame): AnyProtocol | undefined => {
  if (definition.kind === 'keygen') return blame.within === null ? protocols.keygen : protocols.sign
  return blame.within === null ? protocols.sign : undefined
}

const contextOf = (facts: PublicFacts, blame: Blame): unknown => {
  const { definition, protocols, attempt, records, outcomes } = facts
  if (attempt === undefined) return undefined
  if (definition.kind === 'keygen') {
    if (blame.within === null) return { threshold: definition.threshold, parties: definition.sites.length }
    const { label, members } = blame.within
    const sets = testSignerSets(definition.sites.length, definition.threshold)
    for (const [hash, record] of records) {
      const outcome = outcomes.get(record.outcome)
      const set = sets.findIndex((_, at) => testLabel(protocols.sign.id, at, hash) === label)
      if (outcome?.attempt === blame.attempt && sets[set]?.join() === members.join())
        return testContext(outcome, hash, members)
    }
    return undefined
  }
  const outcome = attempt.base === null ? undefined : outcomes.get(records.get(attempt.base)?.outcome ?? attempt.base)
  if (outcome === undefined || facts.message === undefined || blame.within !== null) return undefined
  return {
    threshold: outcome.threshold,
    publicKey: fromHex(outcome.publicKey),
    indices: attempt.participants.map((one) => definition.sites.findIndex((site) => site.name === one.site) + 1),
    verifyingShares: outcome.verifyingShares.map(fromHex),
    message: facts.message,
  }
}
