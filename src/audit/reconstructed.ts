import type { Hash, SiteId } from '../lib/brand.ts'
import { DecodeError } from '../records/codec.ts'
import { ceremonyId, type Definition, definitionCodec, recordKind } from '../records/definition.ts'
import type { ReconstructDefinition } from '../records/kinds/reconstruct.ts'
import { recipientId } from '../records/recipient-id.ts'

/** A ceremony that gave the whole key away, as sites say it. */
export interface SaidReconstructed {
  readonly definition: ReconstructDefinition
  /** Sites whose logs say so. */
  readonly by: readonly SiteId[]
}

/** The same for people and scripts. */
export interface WholeKeyGiven {
  readonly ceremony: Hash
  readonly recipients: readonly { readonly name: string; readonly id: string }[]
  readonly reason: string
  /** Sites that say that they gave their share. */
  readonly by: readonly SiteId[]
}

/** The definition by which a site says that it gave its share of the key of `about`. Throws DecodeError. */
export const readReconstructed = (bytes: Uint8Array, about: Definition): ReconstructDefinition => {
  const definition = definitionCodec.decode(bytes)
  if (!('recipients' in definition)) throw new DecodeError('of a ceremony that gives no share away')
  if (definition.key !== recordKind(about).key(about)) throw new DecodeError('of another key')
  return definition
}

export const wholeKeyGiven = ({ definition, by }: SaidReconstructed): WholeKeyGiven => ({
  ceremony: ceremonyId(definition),
  recipients: definition.recipients.map((to) => ({ name: to.name, id: recipientId(to) })),
  reason: definition.reason,
  by,
})
