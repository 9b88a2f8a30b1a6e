import { madeKey } from '../ceremony-result.ts'
import { type AuditKind, mustAlways } from './kind.ts'

export const keygen = {
  result: madeKey,
  isFinal: ({ receivers }, result) => result.makes === 'key' && result.voters.length === receivers.length,
  must: [
    ...mustAlways,
    'transcript.derived',
    'transcript.outcome',
    'transcript.same',
    'possession.proven',
    'possession.tested',
    'votes.ready',
    'votes.single',
    'votes.based',
    'votes.recorded',
    'votes.installed',
    'votes.kept',
    'votes.output',
  ],
  order: () => ({}),
  outputs: ['public-key.hex'],
  transcript: '; key derived again from it',
  notShown: [],
} as const satisfies AuditKind
