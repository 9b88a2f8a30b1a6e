import type { Definition, DefinitionOf } from '../../records/definition.ts'
import type { Kind } from '../../records/kinds/index.ts'
import { keygen } from './keygen.ts'
import type { CliKind } from './kind.ts'
import { sign } from './sign.ts'

const cliKinds = { keygen, sign } satisfies { readonly [K in Kind]: CliKind<DefinitionOf<K>> }

/** The row of a definition's kind. A row takes definitions of its own kind alone, which is what it gets here. */
export const cliKind = ({ kind }: Pick<Definition, 'kind'>): CliKind<Definition> =>
  cliKinds[kind] as unknown as CliKind<Definition>
