import type { RepairDefinition } from '../../records/kinds/repair.ts'
import { cut } from '../text.ts'
import type { CliKind } from './kind.ts'
import { keyText, replacedLines } from './refresh.ts'

export const repair: CliKind<RepairDefinition> = {
  about: ({ name }) => [{ label: 'ceremony', text: `repair: a lost share of the key ${name}`, tone: 'strong' }],
  uses: ({ key, base }) => [{ label: 'builds on', text: `key ${cut(key, 17)}`, note: `record ${cut(base, 17)}` }],
  decides: (definition, seen) => {
    const { epoch, from, sites, name, protocol } = definition
    const place = sites.findIndex((site) => !from.sites.includes(site.name))
    const key = { name, protocol, publicKey: from.publicKey }
    return [
      {
        label: 'mended',
        text: `${sites[place]?.name} gets share ${place + 1}, which ${from.sites[place]} lost`,
        note: 'the public key and all other shares stay',
        tone: 'strong',
      },
      { label: 'helpers', text: from.helpers.join(', '), note: 'none of them learns the share, or another’s' },
      {
        label: 'lost share',
        text: 'it stays one of the key, wherever it is',
        note: 'until new ones are made: quorate rotate plan',
        noteTone: 'warn',
      },
      ...replacedLines(definition, seen),
      { label: 'repair', text: `${keyText(definition, { ...seen, key })}: epoch ${epoch}`, tone: 'strong' },
    ]
  },
  whoApproves: () => 'every site: those that still hold a share, and the mended one',
}
