import type { Hash } from '../lib/brand.ts'
import { fromHex } from '../lib/bytes.ts'
import type { Protocols } from '../mpc/registry.ts'
import { testSignerSets } from '../mpc/test-signature.ts'
import type { Attempt } from '../records/attempt.ts'
import type { Definition } from '../records/definition.ts'
import type { Outcome } from '../records/outcome.ts'
import type { Blame } from '../records/round.ts'
import type { AnyProtocol, JudgeWorld } from './judge.ts'
import { testContext, testLabel } from './prove.ts'

/** The public facts that a claim is judged by; each may be missing, and then nothing that needs it is proven. */
export interface PublicFacts {
  readonly definition: Definition
  readonly attempt: Attempt
  readonly protocols: Protocols
  /** The outcome that this attempt made (keygen), or the epoch that it used (sign). */
  readonly outcome: Outcome | undefined
  /** Hashes of records over this outcome, whose test signatures may be judged. */
  readonly records: readonly Hash[]
  readonly message: Uint8Array | undefined
}

export const judgeWorld = (facts: PublicFacts): JudgeWorld => ({
  attempt: facts.attempt,
  protocol: (id) =>
    ([facts.protocols.keygen, facts.protocols.sign] as readonly AnyProtocol[]).find((one) => one.id === id),
  context: (blame) => contextOf(facts, blame),
})

const contextOf = (facts: PublicFacts, blame: Blame): unknown => {
  const { definition, protocols, outcome, attempt } = facts
  if (definition.kind === 'keygen' && blame.within === null)
    return blame.protocol === protocols.keygen.id
      ? { threshold: definition.threshold, parties: definition.sites.length }
      : undefined
  if (outcome === undefined || blame.protocol !== protocols.sign.id) return undefined
  if (definition.kind === 'keygen') {
    const [record] = facts.records
    const set = testSignerSets(definition.sites.length, definition.threshold).findIndex(
      (_, at) => testLabel(protocols.sign.id, at) === blame.within?.label,
    )
    const members = testSignerSets(definition.sites.length, definition.threshold)[set]
    return record === undefined || members === undefined || members.join() !== blame.within?.members.join()
      ? undefined
      : testContext(outcome, record, members)
  }
  if (facts.message === undefined || blame.within !== null) return undefined
  return {
    threshold: outcome.threshold,
    publicKey: fromHex(outcome.publicKey),
    indices: attempt.participants.map((one) => definition.sites.findIndex((site) => site.name === one.site) + 1),
    verifyingShares: outcome.verifyingShares.map(fromHex),
    message: facts.message,
  }
}
