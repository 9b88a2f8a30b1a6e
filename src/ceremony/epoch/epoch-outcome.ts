import type { Hash } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import type { KeygenPublic } from '../../mpc/scheme.ts'
import { type Definition, recordKind } from '../../records/definition.ts'
import type { Outcome } from '../../records/outcome.ts'

/** The outcome of a key-changing protocol, from its definition, attempt and messages alone: the same bytes at every site. */
export const epochOutcome = (
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
  base: definition.base,
})

/** The key that an outcome is an epoch of: the one that the definition names, or the one that a keygen's outcome begins. */
export const keyOf = (definition: Definition, outcome: Hash): Hash => recordKind(definition).key(definition) ?? outcome
