import type { KeyBase } from '../ceremony/definition/lint-key.ts'
import { ownSeal } from '../ceremony/epoch/rewrap-base.ts'
import { openRoot } from '../host/disk.ts'
import { openHome } from '../identity/home.ts'
import type { Identity } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import type { KmsSlot } from '../records/definition-fields.ts'
import type { Card } from '../records/identity.ts'
import type { RewrapDefinition } from '../records/kinds/rewrap.ts'
import { recordHashOf } from '../shards/rival.ts'
import { keyBase } from './keys.ts'
import { votesOfHome } from './votes.ts'

/** The KMS keys that a home's share of a key lies under, and those that its card names. */
interface KmsKeys {
  readonly name: string
  /** The home's identity. */
  readonly site: Identity
  readonly lies: readonly KmsSlot[]
  readonly wanted: readonly KmsSlot[]
  /** The share has to be sealed anew before the site takes part in anything with this card. */
  readonly moved: boolean
}

export const cardOf = async (folder: string): Promise<Card> => {
  const disk = await openRoot(folder)
  try {
    return await (await openHome(disk)).card()
  } finally {
    await disk.close()
  }
}

/** The envelope of this home's share, and the KMS keys that it lies under. Throws E_NOT_FOUND where it holds no share. */
export const sealOf = (folder: string, base: KeyBase): Promise<RewrapDefinition['old']> =>
  votesOfHome(folder, async (known) => {
    const { whole } = await known.shards.ofKey(base.key)
    const record = whole.find((one) => recordHashOf(one) === base.record)?.record
    const seal = record && (await ownSeal(known, base, { record }))
    if (seal !== undefined) return seal
    throw new QuorateError(
      'E_NOT_FOUND',
      'this home holds no share of the newest epoch of this key',
      'run it at the site whose share is to be sealed anew',
    )
  })

/** Throws E_NOT_FOUND where this home holds no share of the key. */
export const kmsKeysOf = async (folder: string, key: string): Promise<KmsKeys> => {
  const base = await keyBase(folder, key)
  const { kms: lies } = await sealOf(folder, base)
  const { kms: wanted, identity: site } = await cardOf(folder)
  return { name: base.definition.name, site, lies, wanted, moved: JSON.stringify(lies) !== JSON.stringify(wanted) }
}
