import type { Definition, DefinitionOf } from '../../records/definition.ts'
import type { Kind } from '../../records/kinds/index.ts'
import { keygen } from './keygen.ts'
import type { CeremonyKind } from './kind.ts'
import { sign } from './sign.ts'

const ceremonyKinds = { keygen, sign } satisfies { readonly [K in Kind]: CeremonyKind<DefinitionOf<K>> }

/** The row of a definition's kind. A row takes definitions of its own kind alone, which is what it gets here. */
export const ceremonyKind = ({ kind }: Pick<Definition, 'kind'>): CeremonyKind<Definition> =>
  ceremonyKinds[kind] as unknown as CeremonyKind<Definition>
