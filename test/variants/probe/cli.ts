import type { ProbeDefinition } from '../../records/kinds/probe.ts'
import type { CliKind } from './kind.ts'

export const probe: CliKind<ProbeDefinition> = {
  about: ({ name }) => [{ label: 'ceremony', text: `probe: one value that all see, named ${name}`, tone: 'strong' }],
  uses: () => [{ label: 'builds on', text: 'nothing' }],
  decides: ({ name }) => [{ label: 'probe', text: name }],
  whoApproves: () => 'every site',
}
