import type { Hash, Identity, SiteId } from '../lib/brand.ts'
import type { KmsSlot } from '../records/definition-fields.ts'
import { type RewrapDefinition, rewrappedEntry } from '../records/kinds/rewrap.ts'
import { type Rewrapped, rewrapHolds } from '../records/rewrap.ts'
import type { BundleFacts } from './bundle-facts.ts'
import type { Held } from './record-facts.ts'

/** A share that lies under other KMS keys since, for people and scripts. */
export interface RewrapShown {
  readonly site: SiteId
  readonly identity: Identity
  readonly from: readonly KmsSlot[]
  readonly to: readonly KmsSlot[]
  /** The envelope that it lay in, and the new one. */
  readonly old: Hash
  readonly envelope: Hash
  /** Sites that cosigned. */
  readonly witnesses: readonly SiteId[]
}

export const rewrapDefinition = ({ definition }: Pick<BundleFacts, 'definition'>): RewrapDefinition | undefined =>
  'witnesses' in definition ? definition : undefined

export const proofIsTrue = (facts: BundleFacts, { value }: Held<Rewrapped>): boolean => {
  const definition = rewrapDefinition(facts)
  return definition !== undefined && rewrapHolds(value, definition, facts.evidence)
}

/** Sites that cosigned this record, in the order of their names. */
export const witnessesOf = (facts: BundleFacts, said: Held<Rewrapped>): readonly SiteId[] =>
  [...new Set(facts.held('witnessed').flatMap(({ value, site }) => (value.rewrapped === said.hash ? site : [])))].sort()

/** Of several that a liar signed, the one that proves something, and that most have cosigned. */
export const madeRewrap = (facts: BundleFacts): Held<Rewrapped> | undefined => {
  const rank = (one: Held<Rewrapped>): number =>
    (proofIsTrue(facts, one) ? facts.definition.sites.length : 0) + witnessesOf(facts, one).length
  return facts.held('rewrapped').toSorted((a, b) => rank(b) - rank(a) || (a.hash < b.hash ? -1 : 1))[0]
}

export const rewrapShown = (facts: BundleFacts): RewrapShown | undefined => {
  const definition = rewrapDefinition(facts)
  const entry = definition && rewrappedEntry(definition)
  const said = madeRewrap(facts)
  if (definition === undefined || entry === undefined || said === undefined) return undefined
  const { old, site } = definition
  return {
    site,
    identity: entry.identity,
    from: old.kms,
    to: entry.kms,
    old: old.envelope,
    envelope: said.value.envelope,
    witnesses: witnessesOf(facts, said),
  }
}
