import type { Recipient, ReconstructDefinition } from '../../records/kinds/reconstruct.ts'
import { recipientId } from '../../records/recipient-id.ts'
import type { Line } from '../term.ts'
import { cut, unpadded } from '../text.ts'
import type { CliKind } from './kind.ts'
import { keyText } from './refresh.ts'
import { wholeKeyLines } from './whole-key.ts'

/** The name that people gave, and below it the key in full, to be compared with what its owner says. */
const recipientLines = (to: Recipient): readonly Line[] => [
  { label: 'recipient', text: to.name, note: to.form === 'age' ? 'by age' : 'by a certificate; its SHA-256 is' },
  { label: '', text: recipientId(to) },
]

export const reconstruct: CliKind<ReconstructDefinition> = {
  about: ({ name }) => [
    { label: 'ceremony', text: `reconstruct: the WHOLE KEY ${name}, for recipients outside`, tone: 'bad' },
  ],
  uses: ({ key, base }) => [{ label: 'builds on', text: `key ${cut(key, 17)}`, note: `record ${cut(base, 17)}` }],
  decides: (definition, seen) => {
    const { givers, threshold, recipients, reason, name, protocol, of } = definition
    const key = { name, protocol, publicKey: of.publicKey }
    return [
      ...wholeKeyLines(seen),
      { label: 'shares of', text: givers.join(', '), note: `any ${threshold} of them are the key` },
      ...recipients.flatMap(recipientLines),
      { label: 'reason', text: unpadded(reason) },
      {
        label: 'reconstruct',
        text: keyText(definition, { ...seen, key }),
        note: 'each recipient signs alone from then on',
        tone: 'bad',
        noteTone: 'bad',
      },
    ]
  },
  whoApproves: ({ givers }) => givers.join(', '),
}
