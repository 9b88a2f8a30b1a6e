import type { KeygenDefinition } from '../../records/kinds/keygen.ts'
import { siteNames } from '../text.ts'
import type { CliKind } from './kind.ts'

export const keygen: CliKind<KeygenDefinition> = {
  about: ({ name }) => [{ label: 'ceremony', text: `keygen: a new key named ${name}`, tone: 'strong' }],
  uses: () => [{ label: 'builds on', text: 'nothing', note: 'first ceremony of this key' }],
  decides: ({ name, threshold, sites }) => [
    {
      label: 'keygen',
      text: `a new key named ${name}`,
      tone: 'strong',
      note: `any ${threshold} of ${siteNames(sites)} sign`,
    },
  ],
  whoApproves: () => 'every site',
}
