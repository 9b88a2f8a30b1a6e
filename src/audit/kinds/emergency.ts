import { fencedIn } from '../../records/definition.ts'
import { keygen } from './keygen.ts'
import type { AuditKind } from './kind.ts'

/** A fresh key is shown as any is made, and who promised to leave the old one alone. */
export const emergency = {
  ...keygen,
  must: [...keygen.must, 'votes.fenced'],
  order: (definition, site) =>
    fencedIn(definition).some(({ name }) => name === site) ? { ready: ['staged', 'record', 'fenced'] } : {},
  notShown: [
    'that a site which fenced the old key keeps its word: its share is still there, for what has to be moved',
    'the shares of the old key at sites that took no part, and copies of any of them',
  ],
} as const satisfies AuditKind
