import type { Hash, SiteId } from '../lib/brand.ts'
import { DecodeError } from '../records/codec.ts'
import { ceremonyId, type Definition, definitionCodec, recordKind } from '../records/definition.ts'
import type { ReadmitDefinition } from '../records/kinds/readmit.ts'

/** A ceremony that took a site back, as sites say it. */
export interface SaidReadmitted {
  readonly definition: ReadmitDefinition
  /** Sites that took it back, or whose logs say so. */
  readonly by: readonly SiteId[]
}

/** The same for people and scripts. */
export interface ReadmissionShown {
  readonly ceremony: Hash
  readonly site: SiteId
  /** Events of the ledger with which it came back. */
  readonly size: number
  readonly reason: string
  readonly by: readonly SiteId[]
}

/** The definition by which a site says that one of the sites of the key of `about` was taken back. Throws DecodeError. */
export const readReadmission = (bytes: Uint8Array, about: Definition): ReadmitDefinition => {
  const definition = definitionCodec.decode(bytes)
  if (!('returning' in definition)) throw new DecodeError('of a ceremony that takes no site back')
  if (definition.key !== recordKind(about).key(about)) throw new DecodeError('of another key')
  return definition
}

export const readmissionShown = ({ definition, by }: SaidReadmitted): ReadmissionShown => ({
  ceremony: ceremonyId(definition),
  site: definition.returning,
  size: definition.ledger.size,
  reason: definition.reason,
  by,
})

/** All that a bundle says; its own ceremony counts once the site said that it is bound again by as many as sign together. */
export const readmissionsShown = (
  { definition, readmitted }: { readonly definition: Definition; readonly readmitted: readonly SaidReadmitted[] },
  words: readonly { readonly site: SiteId }[],
  made: boolean,
): readonly ReadmissionShown[] => {
  const by = [...new Set(words.map(({ site }) => site))].sort()
  const own = 'returning' in definition && made ? [{ definition, by }] : []
  return [...own, ...readmitted].map(readmissionShown)
}

/** Each ceremony once, its own bundle before others' words. */
export const readmissionsOnce = (
  bundles: readonly {
    readonly bundle: { readonly ceremony: Hash }
    readonly readmitted: readonly ReadmissionShown[]
  }[],
): readonly ReadmissionShown[] => {
  const first = new Map<Hash, ReadmissionShown>()
  for (const { bundle, readmitted } of bundles)
    for (const one of readmitted)
      if (!first.has(one.ceremony) || bundle.ceremony === one.ceremony) first.set(one.ceremony, one)
  return [...first.values()].sort((a, b) => (a.ceremony < b.ceremony ? -1 : 1))
}
