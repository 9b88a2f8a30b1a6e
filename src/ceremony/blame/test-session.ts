import type { Hash, Index } from '../../lib/brand.ts'
import { fromHex } from '../../lib/bytes.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import { testSignatureMessage } from '../../mpc/test-signature.ts'
import type { Outcome } from '../../records/outcome.ts'
import type { ProofRules } from '../../records/proofs.ts'

/** Label of a test signature's sub-session. It names the record, so that what a site signs there can be judged by no other one. */
export const testLabel = (set: number, record: Hash): string => `test-${set + 1}:${record}`

/** Context of a test signature's session; what signs is the whole roster's share at `members`. */
export const testContext = (outcome: Outcome, record: Hash, members: readonly Index[]) => ({
  threshold: outcome.threshold,
  publicKey: fromHex(outcome.publicKey),
  indices: members,
  verifyingShares: outcome.verifyingShares.map(fromHex),
  message: testSignatureMessage(record),
})

/** Rules by which the proofs of a record are checked under this scheme. */
export const proofRules = ({ verifyPossession, verifySignature }: Scheme): ProofRules => ({
  verifyPossession,
  verifySignature,
  testMessage: testSignatureMessage,
})
