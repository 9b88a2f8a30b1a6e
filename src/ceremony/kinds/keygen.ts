import type { Definition } from '../../records/definition.ts'
import type { KeygenDefinition } from '../../records/kinds/keygen.ts'
import { boundByVote, epochResult } from '../epoch/epoch-result.ts'
import { lifecycleOf } from '../lifecycle.ts'
import type { CeremonyKind } from './kind.ts'

/** The parts that every kind has which makes a key from nothing. */
export const freshKeyKind: Omit<CeremonyKind<Definition>, 'prepare' | 'lint' | 'refuseUnfit'> = {
  lifecycle: lifecycleOf({
    drafted: ['approved', 'aborted'],
    approved: ['gathering', 'aborted'],
    gathering: ['running', 'ready', 'aborted'],
    running: ['gathering', 'staged', 'aborted'],
    staged: ['gathering', 'ready', 'aborted'],
    ready: ['installed'],
    installed: ['closed'],
    aborted: ['closed'],
  }),
  protocols: ({ keygen: today, past }) => [today, ...past.keygen],
  context: ({ definition }) => ({
    context: { threshold: definition.threshold, parties: definition.sites.length },
  }),
  result: epochResult,
  boundBy: boundByVote,
}

/** Dealerless key generation. */
export const keygen: CeremonyKind<KeygenDefinition> = {
  ...freshKeyKind,
  prepare: async (...given) => (await import('./keygen-run.ts')).prepareKeygen(...given),
  lint: () => [],
  refuseUnfit: () => undefined,
}
