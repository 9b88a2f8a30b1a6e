import { madeSignature } from '../ceremony-result.ts'
import { type AuditKind, mustAlways } from './kind.ts'

export const sign = {
  result: madeSignature,
  // Whoever states a signature has verified it: one statement is enough.
  isFinal: () => true,
  must: [
    ...mustAlways,
    'signature.valid',
    'signature.stated',
    'signature.message',
    'signature.key',
    'signature.output',
  ],
  order: () => ({}),
  outputs: ['message', 'signature'],
  transcript: '',
  notShown: ['how the key was made: its keygen bundle shows that'],
} as const satisfies AuditKind
