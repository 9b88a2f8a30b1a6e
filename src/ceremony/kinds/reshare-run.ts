import type { Mailbox, Rounds } from '../../mpc/mailbox.ts'
import type { ReshareOutput, Scheme } from '../../mpc/scheme.ts'
import { receiversIn } from '../../records/definition.ts'
import type { ReshareDefinition } from '../../records/kinds/reshare.ts'
import { lintOldRoster } from '../definition/lint-key.ts'
import { type Epoch, noteEpoch, openShare, whileUsable } from '../epoch/epoch.ts'
import { EpochRun } from '../epoch/epoch-run.ts'
import { LeavingRun } from '../epoch/leaving-run.ts'
import { oldEpochAt } from '../epoch/old-share.ts'
import { hedged } from '../hedge.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { CeremonyKind, KindRun } from './kind.ts'
import { reshareContext } from './reshare-context.ts'

/** Runs the protocol: a site that deals opens its old share for it, and nobody else needs one. */
const run = async (
  ceremony: Ceremony,
  { reshare }: Scheme,
  base: Epoch | undefined,
  box: Mailbox<Rounds>,
  attempt: HeldAttempt,
): Promise<ReshareOutput> => {
  const definition = ceremony.authority.definition as ReshareDefinition
  const deals = definition.from.dealers.includes(ceremony.seat.name)
  const share = deals && base !== undefined ? await openShare(ceremony, base) : undefined
  try {
    const random = hedged(ceremony.site, attempt.hash, reshare.id, share)
    const open = base === undefined ? box : whileUsable(box, ceremony.site, base)
    return await reshare.run(open, { ...reshareContext(definition, attempt.value), share }, { random })
  } finally {
    share?.wipe()
  }
}

export const prepareReshare: CeremonyKind<ReshareDefinition>['prepare'] = async (site, definition) => {
  const { from } = definition
  const receives = receiversIn(definition).some(({ identity }) => identity === site.home.identity)
  const base = await oldEpochAt(site, definition, lintOldRoster)
  return {
    base: definition.base,
    epoch: base,
    message: undefined,
    noteIn: (ceremony) => {
      if (base !== undefined) noteEpoch(ceremony, base)
    },
    begin: (ceremony, protocols, duties): KindRun => {
      const rules = protocols.reshare
      if (!receives) {
        if (base === undefined) throw new TypeError('a site that neither holds nor receives a share')
        return new LeavingRun(ceremony, protocols, duties, {
          rules,
          base,
          publicKey: from.publicKey,
          deal: (box, attempt) => run(ceremony, protocols, base, box, attempt),
        })
      }
      return new EpochRun(ceremony, protocols, duties, {
        rules,
        base,
        supersedes: definition.supersedes,
        make: async (box, attempt) => {
          const { share, ...made } = await run(ceremony, protocols, base, box, attempt)
          if (share === undefined) throw new TypeError('a receiver without a share')
          return { ...made, share }
        },
      })
    },
  }
}
