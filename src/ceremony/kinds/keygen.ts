import type { KeygenDefinition } from '../../records/kinds/keygen.ts'
import { votedBefore } from '../epoch/vote.ts'
import { lifecycleOf } from '../lifecycle.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { CeremonyKind, CeremonyResult } from './kind.ts'

const result = (ceremony: Ceremony): CeremonyResult | undefined => {
  const voted = votedBefore(ceremony)
  if (voted === undefined) return undefined
  const { protocol, publicKey } = voted.outcome
  return {
    key: { id: voted.record.outcome, protocol, publicKey },
    signature: null,
    signers: [],
    sites: ceremony.authority.roster.map((member) => member.name),
  }
}

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
  result,
  lint: () => [],
  refuseUnfit: () => undefined,
  boundBy: (log, site) =>
    [...log.replay()].some((event) => event.what === 'ready' && event.site === site) ? 'it has voted ready' : undefined,
}
