import type { ReadmitDefinition } from '../../records/kinds/readmit.ts'
import type { Line } from '../term.ts'
import { cut, unpadded } from '../text.ts'
import type { CliKind } from './kind.ts'
import { keyText } from './refresh.ts'
import { wholeKeyLines } from './whole-key.ts'

export const readmit: CliKind<ReadmitDefinition> = {
  about: ({ name, returning }) => [
    {
      label: 'ceremony',
      text: `readmit: the site ${returning} of the key ${name}, whose ledger went back`,
      tone: 'bad',
    },
  ],
  uses: ({ key, base }) => [{ label: 'builds on', text: `key ${cut(key, 17)}`, note: `record ${cut(base, 17)}` }],
  decides: (definition, seen) => {
    const { returning, helpers, ledger, reason, threshold } = definition
    const before = seen.peerLedger
    const lines: readonly Line[] = [
      { label: 'ledger now', text: `${ledger.size} events, head ${cut(ledger.root, 17)}` },
      ...(before === undefined
        ? []
        : [
            {
              label: 'known here',
              text: `${before.size} events, head ${cut(before.root, 17)}`,
              note: 'refused from then on',
              noteTone: 'bad' as const,
            },
          ]),
      { label: 'taken by', text: helpers.join(', '), note: `any ${threshold} of them decide` },
      { label: 'reason', text: unpadded(reason) },
    ]
    return [
      ...wholeKeyLines(seen),
      ...lines,
      {
        label: 'readmit',
        text: `${returning}, for ${keyText(definition, seen)}`,
        note: 'ask its operator by another way that no other copy of its home runs',
        tone: 'bad',
        noteTone: 'bad',
      },
    ]
  },
  whoApproves: ({ returning, sites, threshold }) =>
    `${returning}, and ${threshold} of ${sites
      .map(({ name }) => name)
      .filter((name) => name !== returning)
      .join(', ')}`,
}
