import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { ProbeDefinition } from '../../records/kinds/probe.ts'
import { outcomeCodec } from '../../records/outcome.ts'
import { epochOutcome } from '../epoch/epoch-outcome.ts'
import { hedged } from '../hedge.ts'
import { lifecycleOf } from '../lifecycle.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { CeremonyKind, KindRun } from './kind.ts'

const hasVoted = ({ store, seat }: Ceremony): boolean => store.ready.has(seat.name)

/** Sites go through the rounds of a key generation, throw their shares away, and vote for what all saw. */
export const probe: CeremonyKind<ProbeDefinition> = {
  lifecycle: lifecycleOf({
    drafted: ['approved', 'aborted'],
    approved: ['gathering', 'aborted'],
    gathering: ['running', 'ready', 'aborted'],
    running: ['gathering', 'ready', 'aborted'],
    ready: ['closed'],
    aborted: ['closed'],
  }),
  protocols: ({ keygen }) => [keygen],
  context: ({ definition }) => ({ context: { threshold: definition.threshold, parties: definition.sites.length } }),
  prepare: async () => ({
    base: null,
    epoch: undefined,
    message: undefined,
    noteIn: () => undefined,
    begin: (ceremony, { keygen }, { mayBind }): KindRun => ({
      isSettled: () => hasVoted(ceremony),
      settle: async () => hasVoted(ceremony),
      async attempt(session, { hash }) {
        const { definition, hash: id } = ceremony.authority
        const input = { threshold: definition.threshold, parties: definition.sites.length }
        const tools = { random: hedged(ceremony.site, hash, keygen.id) }
        const { share, publicKey, verifyingShares } = await keygen.run(session.mailbox(keygen), input, tools)
        share.wipe()
        const seen = { publicKey, verifyingShares }
        const value = outcomeCodec.encode(epochOutcome(definition, id, hash, session.transcript(), seen))
        ceremony.note('outcome', value)
        mayBind()
        await ceremony.publish('ready', { ceremony: id, site: ceremony.seat.name, record: hashOf(value), base: null })
      },
      async commit() {
        const { store, authority } = ceremony
        const all = await store.until(() => store.readySet(), authority.terms.deadlines.close * 1000)
        if (all === undefined) throw new QuorateError('E_NOT_FINISHED', 'not all have voted', 'all run join again')
      },
      outputs: () => new Map(),
      faults: () => [],
    }),
  }),
  result: (ceremony) =>
    hasVoted(ceremony)
      ? { key: null, signature: null, signers: [], sites: ceremony.authority.roster.map(({ name }) => name) }
      : undefined,
  lint: () => [],
  refuseUnfit: () => undefined,
  boundBy: (log, site) =>
    [...log.replay()].some((event) => event.what === 'ready' && event.site === site) ? 'it has voted ready' : undefined,
}
