import type { KeygenDefinition } from '../../records/kinds/keygen.ts'
import type { CliKind } from './kind.ts'

export const keygen: CliKind<KeygenDefinition> = {
  about: ({ name }) => [{ label: 'ceremony', text: `keygen: a new key named ${name}`, tone: 'strong' }],
  uses: () => [{ label: 'builds on', text: 'nothing', note: 'first ceremony of this key' }],
  whoApproves: () => 'every site',
}
