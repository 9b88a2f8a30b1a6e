import { resultByWord } from './by-word.ts'
import { type AuditKind, mustAlways } from './kind.ts'

export const reconstruct = {
  result: (facts) => resultByWord(facts, facts.held('release')),
  isFinal: ({ definition }, made) => made.makes === 'proof' && made.stated.length >= definition.threshold,
  must: [...mustAlways, 'release.shares', 'release.key'],
  order: () => ({}),
  outputs: [],
  transcript: ', and it is empty: each site gave its share by itself',
  notShown: [
    'that what each site sealed is its share: a recipient finds out, and the site’s signature proves it',
    'how the key was made: its keygen bundle shows that',
  ],
} as const satisfies AuditKind
