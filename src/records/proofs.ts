import type { Hash, Index } from '../lib/brand.ts'
import { fromHex } from '../lib/bytes.ts'
import type { Outcome, Possession, TestSignature } from './outcome.ts'

/** The functions by which the proofs of a record are checked: those of its scheme, and the message of its test signatures. */
export interface ProofRules {
  verifyPossession(verifyingShare: Uint8Array, index: Index, record: Hash, proof: Uint8Array): boolean
  verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  testMessage(record: Hash): Uint8Array
}

interface Proofs {
  readonly possession: Possession
  readonly 'test-signature': TestSignature
}

/** Records by which a site proves its share of another record. */
export type ProofName = keyof Proofs

export type ProofOf<N extends ProofName> = Proofs[N]

type Holds<T> = (proof: T, outcome: Outcome, rules: ProofRules) => boolean

/**
 * True where a proof holds for the outcome of the record that it names. The row of its name in the record table has let it
 * in, so index and signer set are those of its author. Votes, the judge of a claim and `audit verify` all rest on these.
 */
const holds: { readonly [N in ProofName]: Holds<Proofs[N]> } = {
  possession: ({ index, record, proof }, outcome, rules) => {
    const share = outcome.verifyingShares[index - 1]
    return share !== undefined && rules.verifyPossession(fromHex(share), index, record, fromHex(proof))
  },
  'test-signature': ({ record, signature }, outcome, rules) =>
    rules.verifySignature(fromHex(outcome.publicKey), rules.testMessage(record), fromHex(signature)),
}

export const proofNames = Object.keys(holds) as readonly ProofName[]

export const isProofName = (name: string): name is ProofName => Object.hasOwn(holds, name)

export const proofHolds = <N extends ProofName>(
  name: N,
  proof: ProofOf<N>,
  outcome: Outcome,
  rules: ProofRules,
): boolean => (holds[name] as Holds<Proofs[N]>)(proof, outcome, rules)
