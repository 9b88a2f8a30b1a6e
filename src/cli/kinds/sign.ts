import { publicKeyForms, shortKey } from '../../formats/public-key.ts'
import type { SignDefinition, SignMessage } from '../../records/kinds/sign.ts'
import { shortId } from '../../records/short-id.ts'
import type { Seen } from '../../site/seen.ts'
import { contentLines, formOf } from '../render/content.ts'
import type { Line } from '../term.ts'
import { cut, siteNames, unpadded } from '../text.ts'
import type { CliKind } from './kind.ts'
import { wholeKeyLines } from './whole-key.ts'

/** The message as the definition names it, with its content where that is at hand. */
const messageLines = (wanted: SignMessage, content: Uint8Array | undefined): readonly Line[] => {
  if (wanted.form === 'digest')
    return [
      {
        label: 'message',
        text: `digest ${wanted.digest}`,
        note: `signed blind: ${unpadded(wanted.blind)}`,
        noteTone: 'warn',
      },
    ]
  const named = wanted.form === 'file' ? unpadded(cut(wanted.name, 30)) : 'given as hex'
  const form = content === undefined ? [] : [formOf(content)]
  return [
    { label: 'message', text: [named, `${wanted.size} bytes`, ...form].join(', ') },
    { label: 'sha256', text: wanted.sha256 },
    ...(content === undefined
      ? [{ text: 'its content is not at hand here', tone: 'warn' as const }]
      : contentLines(content)),
  ]
}

const keyText = ({ key: id }: SignDefinition, { key }: Seen): string =>
  key === undefined
    ? `with the key whose id is ${cut(id, 17)}`
    : `with the key ${key.name}, ${key.protocol} ${shortKey(publicKeyForms(key.protocol, key.publicKey, key.name).hex)}`

export const sign: CliKind<SignDefinition> = {
  about: ({ name }) => [{ label: 'ceremony', text: `sign: a signature named ${name}`, tone: 'strong' }],
  uses: ({ key, base }) => [{ label: 'builds on', text: `key ${cut(key, 17)}`, note: `record ${cut(base, 17)}` }],
  decides: (definition, seen) => {
    const { name, signers, threshold, sites, message } = definition
    return [
      ...wholeKeyLines(seen),
      { label: 'signers', text: signers === 'any' ? `any ${threshold} of ${siteNames(sites)}` : signers.join(', ') },
      ...messageLines(message, seen.content),
      ...(seen.fenced === undefined
        ? []
        : [
            {
              label: 'fenced',
              text: `an emergency (${shortId(seen.fenced)}) took this key out of use`,
              note: 'sign nothing but the move of what it protects',
              tone: 'bad' as const,
              noteTone: 'bad' as const,
            },
          ]),
      { label: 'sign', text: `${name}, ${keyText(definition, seen)}`, tone: 'strong' },
    ]
  },
  whoApproves: ({ signers, threshold }) => (signers === 'any' ? `any ${threshold} sites` : signers.join(', ')),
}
