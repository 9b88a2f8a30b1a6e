import type { RewrapDefinition } from '../../records/kinds/rewrap.ts'
import { cut, kmsText } from '../text.ts'
import type { CliKind } from './kind.ts'
import { keyText } from './refresh.ts'
import { wholeKeyLines } from './whole-key.ts'

export const rewrap: CliKind<RewrapDefinition> = {
  about: ({ name, site }) => [
    {
      label: 'ceremony',
      text: `rewrap: the share of ${site} in the key ${name}, under another KMS key`,
      tone: 'strong',
    },
  ],
  uses: ({ key, base }) => [{ label: 'builds on', text: `key ${cut(key, 17)}`, note: `record ${cut(base, 17)}` }],
  decides: (definition, seen) => {
    const { site, sites, old, witnesses, threshold, name, protocol, of } = definition
    const key = { name, protocol, publicKey: of.publicKey }
    const to = sites.find((entry) => entry.name === site)?.kms ?? []
    return [
      ...wholeKeyLines(seen),
      { label: 'from', text: kmsText(old.kms), note: 'its wrapped pieces are destroyed' },
      {
        label: 'to',
        text: kmsText(to),
        tone: 'strong',
        ...(kmsText(to) === kmsText(old.kms) ? { note: 'the same key: its newest version' } : {}),
      },
      {
        label: 'witnesses',
        text: witnesses.join(', '),
        note: `${threshold - 1} ${threshold === 2 ? 'has' : 'have'} to cosign before`,
      },
      {
        label: 'rewrap',
        text: `${site} in ${keyText(definition, { ...seen, key })}`,
        note: 'the share and the epoch stay',
        tone: 'strong',
      },
    ]
  },
  whoApproves: ({ site }) => site,
}
