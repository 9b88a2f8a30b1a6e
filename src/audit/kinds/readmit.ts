import { resultByWord } from './by-word.ts'
import { type AuditKind, mustAlways } from './kind.ts'

export const readmit = {
  result: (facts) => resultByWord(facts, facts.held('readmitted')),
  isFinal: (facts, made) =>
    made.makes === 'proof' && made.stated.length >= facts.definition.threshold && facts.held('rebound').length > 0,
  must: [...mustAlways, 'readmit.taken', 'readmit.bound', 'readmit.promises', 'readmit.key'],
  order: () => ({}),
  outputs: [],
  transcript: ', and it is empty: each site gave its word by itself',
  notShown: [
    'what the site promised only to sites that did not take it back',
    'that no older copy of its home runs elsewhere: those who took it back refuse that one',
  ],
} as const satisfies AuditKind
