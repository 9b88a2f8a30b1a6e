import type { Mailbox, Rounds } from '../../mpc/mailbox.ts'
import type { KeygenOutput, RepairContext, Scheme } from '../../mpc/scheme.ts'
import type { RepairDefinition } from '../../records/kinds/repair.ts'
import { lintLostSite } from '../definition/lint-key.ts'
import { type Epoch, noteEpoch, openShare, whileUsable } from '../epoch/epoch.ts'
import { EpochRun } from '../epoch/epoch-run.ts'
import { oldEpochAt } from '../epoch/old-share.ts'
import { hedged } from '../hedge.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { CeremonyKind } from './kind.ts'
import { repairContext } from './repair-context.ts'

/** The mended site takes its share from the protocol; every other one goes on with the share that it has. */
const run = async (
  ceremony: Ceremony,
  { repair }: Scheme,
  context: RepairContext,
  base: Epoch | undefined,
  box: Mailbox<Rounds>,
  attempt: HeldAttempt,
): Promise<KeygenOutput> => {
  const { publicKey, verifyingShares, helpers } = context
  const held = base === undefined ? undefined : await openShare(ceremony, base)
  try {
    const helps = helpers.some(({ party }) => party === box.self)
    const random = hedged(ceremony.site, attempt.hash, repair.id, held)
    const open = base === undefined ? box : whileUsable(box, ceremony.site, base)
    const { share: mended } = await repair.run(open, { ...context, share: helps ? held : undefined }, { random })
    const share = mended ?? held
    if (share === undefined) throw new TypeError('a repair that leaves a site without a share')
    return { publicKey, verifyingShares, share }
  } catch (error) {
    held?.wipe()
    throw error
  }
}

export const prepareRepair: CeremonyKind<RepairDefinition>['prepare'] = async (site, definition) => {
  const base = await oldEpochAt(site, definition, lintLostSite)
  const context = repairContext(definition)
  return {
    base: definition.base,
    epoch: base,
    message: undefined,
    noteIn: (ceremony) => {
      if (base !== undefined) noteEpoch(ceremony, base)
    },
    begin: (ceremony, protocols, duties) =>
      new EpochRun(ceremony, protocols, duties, {
        rules: protocols.repair,
        base,
        supersedes: definition.supersedes,
        make: (box, attempt) => run(ceremony, protocols, context, base, box, attempt),
      }),
  }
}
