import type { Index, Party } from '../../lib/brand.ts'
import { fromHex } from '../../lib/bytes.ts'
import type { RepairContext, ShareHolder } from '../../mpc/scheme.ts'
import { mendedPlace, type RepairDefinition } from '../../records/kinds/repair.ts'

/** Public facts of the protocol. All sites sit, so a party's place is the index of its share. */
export const repairContext = (definition: RepairDefinition): RepairContext => {
  const { from, threshold } = definition
  const holderAt = (place: number): ShareHolder => ({ party: (place + 1) as Party, index: (place + 1) as Index })
  return {
    publicKey: fromHex(from.publicKey),
    verifyingShares: from.verifyingShares.map(fromHex),
    threshold,
    helpers: from.helpers.map((name) => holderAt(from.sites.indexOf(name))),
    mended: holderAt(mendedPlace(definition)),
  }
}
