import type { Hash, Index } from '../../lib/brand.ts'
import { fromHex } from '../../lib/bytes.ts'
import { testSignatureMessage } from '../../mpc/test-signature.ts'
import type { Outcome } from '../../records/outcome.ts'

/** Names the record, so that what a site signs in this sub-session can be judged by no other one. */
export const testLabel = (protocol: string, set: number, record: Hash): string =>
  `${protocol}:test-${set + 1}:${record}`

/** Context of a test signature's session; what signs is the whole roster's share at `members`. */
export const testContext = (outcome: Outcome, record: Hash, members: readonly Index[]) => ({
  threshold: outcome.threshold,
  publicKey: fromHex(outcome.publicKey),
  indices: members,
  verifyingShares: outcome.verifyingShares.map(fromHex),
  message: testSignatureMessage(record),
})
