import type { SignDefinition, SignMessage } from '../../records/kinds/sign.ts'
import type { Line } from '../term.ts'
import { cut, unpadded } from '../text.ts'
import type { CliKind } from './kind.ts'

const messageLine = (wanted: SignMessage): Line => {
  switch (wanted.form) {
    case 'file':
      return {
        label: 'message',
        text: `file ${cut(wanted.name, 30)}, ${wanted.size} bytes`,
        note: `sha256 ${wanted.sha256}`,
      }
    case 'hex':
      return { label: 'message', text: `${wanted.size} bytes given as hex`, note: `sha256 ${wanted.sha256}` }
    case 'digest':
      return {
        label: 'message',
        text: `digest ${wanted.digest}`,
        note: `signed blind: ${unpadded(wanted.blind)}`,
        noteTone: 'warn',
      }
  }
}

export const sign: CliKind<SignDefinition> = {
  about: ({ name, message }) => [
    { label: 'ceremony', text: `sign: a signature named ${name}`, tone: 'strong' },
    messageLine(message),
  ],
  uses: ({ signers, threshold, key, base }) => [
    { label: 'signers', text: signers === 'any' ? `any ${threshold} of the sites` : signers.join(', ') },
    { label: 'builds on', text: `key ${cut(key, 17)}`, note: `record ${cut(base, 17)}` },
  ],
  whoApproves: ({ signers, threshold }) => (signers === 'any' ? `any ${threshold} sites` : signers.join(', ')),
}
