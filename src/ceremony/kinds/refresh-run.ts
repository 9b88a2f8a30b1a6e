import { fromHex } from '../../lib/bytes.ts'
import { ceremonyId } from '../../records/definition.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import { refuseErrors } from '../definition/finding.ts'
import { keyBaseOf } from '../definition/key-base.ts'
import { lintAgainst } from '../definition/lint-key.ts'
import { type Epoch, newestEpoch, noteEpoch, openShare, replacedEpoch } from '../epoch/epoch.ts'
import { boundByVote } from '../epoch/epoch-result.ts'
import { EpochRun } from '../epoch/epoch-run.ts'
import { refuseRivals } from '../epoch/rivals.ts'
import { hedged } from '../hedge.ts'
import type { Site } from '../ports.ts'
import type { CeremonyKind } from './kind.ts'

/** A site that has voted finishes, whatever it holds since; before that the epoch that is replaced must be its newest. */
const baseOf = async (site: Site, definition: RefreshDefinition): Promise<Epoch> => {
  const log = await site.ceremonyLog(ceremonyId(definition))
  const name = definition.sites.find(({ identity }) => identity === site.home.identity)?.name
  if (name !== undefined && boundByVote(log, name) !== undefined) return replacedEpoch(log, definition)
  const newest = await newestEpoch(site, definition.key)
  refuseErrors(lintAgainst(definition, await keyBaseOf(site, newest)))
  await refuseRivals(site, definition)
  return newest
}

export const prepareRefresh: CeremonyKind<RefreshDefinition>['prepare'] = async (site, definition) => {
  const base = await baseOf(site, definition)
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
