import { keygen } from './keygen.ts'
import type { AuditKind } from './kind.ts'

/** A new epoch is shown as a new key is, and that it is one of the same key. */
export const refresh = {
  ...keygen,
  must: [...keygen.must, 'transcript.base', 'votes.retired'],
  notShown: ['how the key was made, and its epochs before this one: their own bundles show that'],
} as const satisfies AuditKind
