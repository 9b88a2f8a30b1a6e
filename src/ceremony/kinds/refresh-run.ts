import { fromHex } from '../../lib/bytes.ts'
import { ceremonyId } from '../../records/definition.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import { refuseErrors } from '../definition/finding.ts'
import { keyBaseOf } from '../definition/key-base.ts'
import { lintAgainst } from '../definition/lint-key.ts'
import { epochOfRecord, newestEpoch, noteEpoch, openShare } from '../epoch/epoch.ts'
import { EpochRun } from '../epoch/epoch-run.ts'
import { hedged } from '../hedge.ts'
import type { CeremonyKind } from './kind.ts'

/** The epoch that is replaced is the newest here, or this very ceremony has replaced it already. */
export const prepareRefresh: CeremonyKind<RefreshDefinition>['prepare'] = async (site, definition) => {
  const newest = await newestEpoch(site, definition.key)
  const returned = newest.outcome.ceremony === ceremonyId(definition)
  const base = returned ? await epochOfRecord(site, definition.key, definition.base) : newest
  refuseErrors(lintAgainst(definition, await keyBaseOf(site, base)))
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
        make: async (box, { hash }) => {
          const share = await openShare(ceremony, base)
          try {
            const random = hedged(ceremony.site, hash, protocols.refresh.id, share)
            return await protocols.refresh.run(box, { ...context, share }, { random })
          } finally {
            share.wipe()
          }
        },
      }),
  }
}
