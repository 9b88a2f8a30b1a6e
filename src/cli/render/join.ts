import { publicKeyForms, shortKey } from '../../formats/public-key.ts'
import type { Hash } from '../../lib/brand.ts'
import { lateIn } from '../../lib/open-points.ts'
import type { ProtocolId } from '../../records/definition-fields.ts'
import { shortId } from '../../records/short-id.ts'
import type { Joined } from '../../site/join.ts'
import type { Lines } from '../term.ts'
import { shellWord } from '../text.ts'

const shownKey = ({ protocol, publicKey }: { protocol: string; publicKey: string }, name: string): string =>
  shortKey(publicKeyForms(protocol as ProtocolId, publicKey, name).hex)

/** The old key is out of use as far as its holders say so, and keep their word. */
const fencedLines = ({ name, key, fenced, left, outOfUse, threshold }: NonNullable<Joined['fences']>): Lines => [
  {
    label: 'old key',
    text: `${name} ${key.slice(0, 8)}: suspended at ${fenced.length === 0 ? 'no holder of it here' : fenced.join(', ')}`,
    note: outOfUse ? `fewer than ${threshold} are left that could use it` : `${left.join(', ')} can still sign with it`,
    noteTone: outOfUse ? 'good' : 'bad',
  },
  { label: '', text: 'its shares are kept: move what it protects, which takes a signature of it', tone: 'warn' },
]

export const joinView = (joined: Joined): Lines => {
  const { kind, topic, name, ceremony, site, state, key, signature, signers, fences, bundle, open } = joined
  if (state === 'checked')
    return [{ label: 'checked', text: `${kind} ${name}`, note: 'ready to join', noteTone: 'good' }]
  return [
    { label: kind, text: `${name}  ${shortId(ceremony as Hash)}  as ${site}`, note: 'closed', noteTone: 'good' },
    ...(key === null
      ? []
      : [{ label: 'key', text: `${key.protocol}  ${shownKey(key, name)}`, note: `id ${key.id.slice(0, 8)}` }]),
    ...(signature === null
      ? []
      : [
          { label: 'signature', text: signature },
          { label: 'signers', text: signers.join(', ') },
        ]),
    ...(fences === null ? [] : fencedLines(fences)),
    ...(bundle === null
      ? []
      : [{ label: 'bundle', text: bundle, note: open.length === 0 ? 'complete' : `${open.length} open` }]),
    ...(open.length === 0
      ? []
      : [
          {
            label: 'next',
            text: `${[...lateIn(open, site), 'this site'].join(' and ')} run \`quorate ${topic} join\` at the same time to complete the bundle`,
          },
        ]),
    ...(bundle === null
      ? []
      : [{ label: 'next', text: `quorate audit verify --bundle ${shellWord(bundle)} --trust FILE` }]),
  ]
}
