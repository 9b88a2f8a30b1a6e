import type { KeygenDefinition } from '../../records/kinds/keygen.ts'
import { boundByVote, epochResult } from '../epoch/epoch-result.ts'
import { lifecycleOf } from '../lifecycle.ts'
import type { CeremonyKind } from './kind.ts'

/** Dealerless key generation. */
export const keygen: CeremonyKind<KeygenDefinition> = {
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
  prepare: async (...given) => (await import('./keygen-run.ts')).prepareKeygen(...given),
  result: epochResult,
  lint: () => [],
  refuseUnfit: () => undefined,
  boundBy: boundByVote,
}
