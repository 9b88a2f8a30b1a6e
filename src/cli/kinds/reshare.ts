import type { ReshareDefinition } from '../../records/kinds/reshare.ts'
import { cut } from '../text.ts'
import type { CliKind } from './kind.ts'
import { keyText, replacedLines } from './refresh.ts'
import { wholeKeyLines } from './whole-key.ts'

/** Old sites that deal no share. */
const absent = ({ from }: ReshareDefinition): string => {
  const names = from.sites.filter((name) => !from.dealers.includes(name))
  return names.length === 0 ? 'all of them deal' : `without ${names.join(', ')}`
}

export const reshare: CliKind<ReshareDefinition> = {
  about: ({ name }) => [{ label: 'ceremony', text: `reshare: the key ${name} for other sites`, tone: 'strong' }],
  uses: ({ key, base }) => [{ label: 'builds on', text: `key ${cut(key, 17)}`, note: `record ${cut(base, 17)}` }],
  decides: (definition, seen) => {
    const { threshold, epoch, from, sites, receivers, name, protocol } = definition
    const key = { name, protocol, publicKey: from.publicKey }
    return [
      ...wholeKeyLines(seen),
      { label: 'from', text: `any ${from.threshold} of ${from.sites.join(', ')}`, note: absent(definition) },
      {
        label: 'to',
        text: `any ${threshold} of ${sites
          .slice(0, receivers)
          .map((site) => site.name)
          .join(', ')}`,
        note: 'the public key stays',
        tone: 'strong',
      },
      {
        label: 'old shares',
        text: `those of epoch ${epoch - 1} are destroyed`,
        note: 'once the new ones are installed',
      },
      ...replacedLines(definition, seen),
      { label: 'reshare', text: `${keyText(definition, { ...seen, key })}: epoch ${epoch}`, tone: 'strong' },
    ]
  },
  whoApproves: () => 'every site that deals or receives a share',
}
