import type { Index, Party, SiteId } from '../../lib/brand.ts'
import { fromHex } from '../../lib/bytes.ts'
import type { ReshareContext } from '../../mpc/scheme.ts'
import type { Attempt } from '../../records/attempt.ts'
import { recordKind } from '../../records/definition.ts'
import type { ReshareDefinition } from '../../records/kinds/reshare.ts'

/** Public facts of the protocol, for the places that the attempt gives. */
export const reshareContext = (definition: ReshareDefinition, { participants }: Attempt): ReshareContext => {
  const { from, threshold } = definition
  const partyOf = (name: SiteId) => (participants.findIndex(({ site }) => site === name) + 1) as Party
  return {
    publicKey: fromHex(from.publicKey),
    verifyingShares: from.verifyingShares.map(fromHex),
    oldThreshold: from.threshold,
    dealers: from.dealers.map((name) => ({
      party: partyOf(name),
      index: (from.sites.indexOf(name) + 1) as Index,
    })),
    receivers: recordKind(definition).receivers(definition).map(partyOf),
    threshold,
  }
}
