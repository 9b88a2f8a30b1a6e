import type { Hash } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import type { KeygenPublic } from '../../mpc/scheme.ts'
import type { Definition } from '../../records/definition.ts'
import type { Outcome } from '../../records/outcome.ts'

/** The outcome of a key generation, from its definition, attempt and messages alone: the same bytes at every site. */
export const keygenOutcome = (
  definition: Definition,
  ceremony: Hash,
  attempt: Hash,
  transcript: Hash,
  made: KeygenPublic,
): Outcome => ({
  ceremony,
  attempt,
  transcript,
  protocol: definition.protocol,
  threshold: definition.threshold,
  publicKey: toHex(made.publicKey),
  verifyingShares: made.verifyingShares.map(toHex),
  base: null,
})
