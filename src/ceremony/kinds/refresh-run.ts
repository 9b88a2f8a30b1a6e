import { fromHex } from '../../lib/bytes.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import { lintAgainst } from '../definition/lint-key.ts'
import { baseToReplace } from '../epoch/base-to-replace.ts'
import { noteEpoch, openShare, whileUsable } from '../epoch/epoch.ts'
import { EpochRun } from '../epoch/epoch-run.ts'
import { hedged } from '../hedge.ts'
import type { CeremonyKind } from './kind.ts'

export const prepareRefresh: CeremonyKind<RefreshDefinition>['prepare'] = async (site, definition) => {
  const base = await baseToReplace(site, definition, lintAgainst)
  const { threshold, publicKey, verifyingShares } = base.outcome
  const context = {
    threshold,
    parties: verifyingShares.length,
    publicKey: fromHex(publicKey),
    verifyingShares: verifyingShares.map(fromHex),
  }
  return {
    base: base.hash,
    epoch: base,
    message: undefined,
    noteIn: (ceremony) => noteEpoch(ceremony, base),
    begin: (ceremony, protocols, duties) =>
      new EpochRun(ceremony, protocols, duties, {
        rules: protocols.refresh,
        base,
        supersedes: definition.supersedes,
        make: async (box, { hash }) => {
          const share = await openShare(ceremony, base)
          try {
            const random = hedged(ceremony.site, hash, protocols.refresh.id, share)
            return await protocols.refresh.run(whileUsable(box, ceremony.site, base), { ...context, share }, { random })
          } finally {
            share.wipe()
          }
        },
      }),
  }
}
