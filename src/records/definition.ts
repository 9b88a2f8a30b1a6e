import * as v from 'valibot'
import type { Hash } from '../lib/brand.ts'
import { hashOf } from '../lib/hash.ts'
import { type Codec, jsonCodec } from './codec.ts'
import type { SiteEntry } from './definition-fields.ts'
import { type Kind, recordKinds } from './kinds/index.ts'
import type { Fence, RecordKind } from './kinds/kind.ts'
import { inDefinition, rowOfKind } from './kinds/row.ts'

type Schema = (typeof recordKinds)[Kind]['schema']
export type Definition = v.InferOutput<Schema>
export type DefinitionOf<K extends Kind> = Extract<Definition, { kind: K }>
/** Of what replaces an epoch of a key. */
export type Successor = Extract<Definition, { supersedes: unknown }>
/** Of those that say what the old epoch is: some of its sites hold no share of it. */
export type Handover = Extract<Definition, { from: unknown }>

export const definitionSchema = v.variant('kind', Object.values(recordKinds).map(({ schema }) => schema) as Schema[])

export const definitionCodec: Codec<Definition> = jsonCodec('definition/v1', definitionSchema)

/** The ceremony id: SHA-256 of the definition's canonical JSON. */
export const ceremonyId = (definition: Definition): Hash => hashOf(definitionCodec.encode(definition))

/** Entries of the sites that hold a share of the epoch that a definition makes, or uses, in the order of their indices. */
export const receiversIn = (definition: Definition): readonly SiteEntry[] =>
  definition.sites.slice(0, sharesIn(definition))

/** How many sites hold a share of the epoch that a definition makes, or uses. */
export const sharesIn = (definition: Definition): number => recordKind(definition).receivers(definition).length

/** The key that a definition takes out of use; undefined where it takes none. */
export const fenceIn = (definition: Definition): Fence | undefined => recordKind(definition).fences?.(definition)

/** Entries of the sites that take part and hold a share of the key that is fenced. */
export const fencedIn = (definition: Definition): readonly SiteEntry[] => {
  const holders = new Set(fenceIn(definition)?.holders.map(({ identity }) => identity))
  return definition.sites.filter(({ identity }) => holders.has(identity))
}

/** The row of a definition's kind, which takes definitions of that kind alone. Throws E_DEFINITION where there is none. */
export const recordKind = ({ kind }: Pick<Definition, 'kind'>): RecordKind<Definition> =>
  rowOfKind(recordKinds, kind, 'read', inDefinition) as unknown as RecordKind<Definition>
