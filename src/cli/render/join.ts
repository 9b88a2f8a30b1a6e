import type { Hash } from '../../lib/brand.ts'
import { shortId } from '../../records/short-id.ts'
import type { Joined } from '../../site/join.ts'
import { shortKey } from '../public-key.ts'
import type { Lines } from '../term.ts'

export const joinView = (joined: Joined): Lines => {
  const { kind, name, ceremony, site, state, key, signature, signers, bundle, open } = joined
  if (state === 'checked')
    return [{ label: 'checked', text: `${kind} ${name}`, note: 'ready to join', noteTone: 'good' }]
  return [
    { label: kind, text: `${name}  ${shortId(ceremony as Hash)}  as ${site}`, note: 'closed', noteTone: 'good' },
    ...(key === null
      ? []
      : [{ label: 'key', text: `${key.protocol}  ${shortKey(key.publicKey)}`, note: key.id.slice(0, 8) }]),
    ...(signature === null ? [] : [{ label: 'signature', text: signature, note: `by ${signers.join(' and ')}` }]),
    ...(bundle === null
      ? []
      : [{ label: 'bundle', text: bundle, note: open.length === 0 ? 'complete' : `${open.length} open` }]),
    ...(bundle === null ? [] : [{ label: 'next', text: `quorate audit verify --bundle ${bundle} --trust FILE` }]),
  ]
}
