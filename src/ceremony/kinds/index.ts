import type { Definition, DefinitionOf } from '../../records/definition.ts'
import type { Kind } from '../../records/kinds/index.ts'
import { inDefinition, rowOfKind } from '../../records/kinds/row.ts'
import { emergency } from './emergency.ts'
import { keygen } from './keygen.ts'
import type { CeremonyKind } from './kind.ts'
import { readmit } from './readmit.ts'
import { reconstruct } from './reconstruct.ts'
import { refresh } from './refresh.ts'
import { repair } from './repair.ts'
import { reshare } from './reshare.ts'
import { rewrap } from './rewrap.ts'
import { sign } from './sign.ts'

const ceremonyKinds = { keygen, sign, refresh, reshare, repair, reconstruct, readmit, emergency, rewrap } satisfies {
  readonly [K in Kind]: CeremonyKind<DefinitionOf<K>>
}

/** The row of a definition's kind, which takes definitions of that kind alone. Throws E_DEFINITION where there is none. */
export const ceremonyKind = ({ kind }: Pick<Definition, 'kind'>): CeremonyKind<Definition> =>
  rowOfKind(ceremonyKinds, kind, 'run', inDefinition) as unknown as CeremonyKind<Definition>
