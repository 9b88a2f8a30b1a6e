import { fromHex } from '../../lib/bytes.ts'
import { ceremonyId } from '../../records/definition.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import type { SessionContext } from '../blame/judge.ts'
import { outcomeOf, type PublicFacts } from '../blame/judge-context.ts'
import { refuseErrors } from '../definition/finding.ts'
import { lintAgainst } from '../definition/lint-key.ts'
import { boundByVote, epochResult } from '../epoch/epoch-result.ts'
import { refuseUnnamed } from '../epoch/rivals.ts'
import { lifecycleOf } from '../lifecycle.ts'
import type { CeremonyKind } from './kind.ts'

/** The epoch that is replaced, as its outcome shows it. */
const context = (facts: PublicFacts): SessionContext => {
  const { base } = facts.definition
  const outcome = base === null ? undefined : outcomeOf(facts, base)
  if (outcome === undefined) return 'unknown'
  return {
    context: {
      threshold: outcome.threshold,
      parties: outcome.verifyingShares.length,
      publicKey: fromHex(outcome.publicKey),
      verifyingShares: outcome.verifyingShares.map(fromHex),
    },
  }
}

/** New shares of the same key at the same sites; the old ones are destroyed. */
export const refresh: CeremonyKind<RefreshDefinition> = {
  lifecycle: lifecycleOf({
    drafted: ['approved', 'aborted'],
    approved: ['gathering', 'aborted'],
    gathering: ['running', 'ready', 'aborted'],
    running: ['gathering', 'staged', 'aborted'],
    staged: ['gathering', 'ready', 'aborted'],
    ready: ['installed'],
    installed: ['retired'],
    retired: ['closed'],
    aborted: ['closed'],
  }),
  protocols: ({ refresh: today }) => [today],
  context,
  prepare: async (...given) => (await import('./refresh-run.ts')).prepareRefresh(...given),
  result: epochResult,
  lint: () => [],
  refuseUnfit(definition, { base, undecided }) {
    // Where this very ceremony made the newest epoch, a job that runs again approves what it approved before.
    if (base === undefined || ceremonyId(base.definition) === ceremonyId(definition)) return
    refuseErrors(lintAgainst(definition, base))
    refuseUnnamed(definition, undecided ?? [])
  },
  boundBy: boundByVote,
}
