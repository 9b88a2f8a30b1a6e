import type { JoinResult } from '../../ceremony/join.ts'
import type { ProtocolId } from '../../records/definition.ts'
import { shortId } from '../../records/short-id.ts'
import { publicKeyForms, shortKey } from '../public-key.ts'
import type { Line, Lines } from '../term.ts'

const keyLine = ({ key, name }: JoinResult): Line[] => {
  if (key === null) return []
  const { hex } = publicKeyForms(key.protocol as ProtocolId, key.publicKey, name)
  return [{ label: 'key', text: `${key.protocol}  ${shortKey(hex)}`, note: `id ${key.id.slice(0, 8)}`, tone: 'strong' }]
}

const bundleLines = ({ bundle, open }: JoinResult, home: string): Line[] =>
  bundle === null
    ? []
    : [
        { label: 'bundle', text: `${home}/${bundle}`, note: open.length === 0 ? 'complete' : `${open.length} open` },
        ...open.map((text) => ({ label: 'open', text, tone: 'warn' as const })),
      ]

/** How a join ended. */
export const joinView =
  (home: string) =>
  (result: JoinResult): Lines => {
    const { kind, name, ceremony, state, signature, signers } = result
    const what = {
      label: kind,
      text: `${name}  ${shortId(ceremony)}`,
      note: state === 'checked' ? 'all are here' : 'done',
    }
    if (state === 'checked') return [what, { label: 'next', text: 'the same command without --check' }]
    return [
      what,
      ...keyLine(result),
      ...(signature === null ? [] : [{ label: 'signature', text: signature, note: `by ${signers.join(' and ')}` }]),
      ...bundleLines(result, home),
      { label: 'next', text: next(result, home) },
    ]
  }

const next = ({ kind, bundle }: JoinResult, home: string): string =>
  kind === 'keygen'
    ? `quorate keys show --home ${home}`
    : bundle === null
      ? 'quorate sign status'
      : `quorate audit verify --bundle ${home}/${bundle} --trust trusted-sites.txt`
