import { publicKeyForms, shortKey } from '../../formats/public-key.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import { shortId } from '../../records/short-id.ts'
import type { Seen } from '../../site/seen.ts'
import type { Line } from '../term.ts'
import { cut, siteNames } from '../text.ts'
import type { CliKind } from './kind.ts'
import { wholeKeyLines } from './whole-key.ts'

/** A key as people know it. */
export const keyText = ({ name, key: id }: Pick<RefreshDefinition, 'name' | 'key'>, { key }: Seen): string =>
  key === undefined
    ? `the key ${name}, whose id is ${cut(id, 17)}`
    : `the key ${name}, ${key.protocol} ${shortKey(publicKeyForms(key.protocol, key.publicKey, key.name).hex)}`

/** Most lines of them: the question must stay on the screen. */
const MOST = 4

/** Undecided records that a definition takes the place of. */
export const replacedLines = (
  { supersedes }: Pick<RefreshDefinition, 'supersedes'>,
  { voted }: Seen,
): readonly Line[] => [
  ...supersedes.slice(0, MOST).map((record) => {
    const ceremony = voted.get(record)
    const note = ceremony === undefined ? 'this site did not vote for it' : `of ceremony ${shortId(ceremony)}`
    return { label: 'replaces', text: `the undecided record ${cut(record, 17)}`, note }
  }),
  ...(supersedes.length > MOST ? [{ label: 'replaces', text: `and ${supersedes.length - MOST} more` }] : []),
]

export const refresh: CliKind<RefreshDefinition> = {
  about: ({ name }) => [{ label: 'ceremony', text: `refresh: new shares of the key ${name}`, tone: 'strong' }],
  uses: ({ key, base }) => [{ label: 'builds on', text: `key ${cut(key, 17)}`, note: `record ${cut(base, 17)}` }],
  decides: (definition, seen) => {
    const { threshold, sites, epoch } = definition
    return [
      ...wholeKeyLines(seen),
      {
        label: 'quorum',
        text: `any ${threshold} of ${siteNames(sites)} sign`,
        note: 'as before; the public key stays',
      },
      {
        label: 'old shares',
        text: `those of epoch ${epoch - 1} are destroyed`,
        note: 'once the new ones are installed',
      },
      ...replacedLines(definition, seen),
      { label: 'refresh', text: `${keyText(definition, seen)}: epoch ${epoch}`, tone: 'strong' },
    ]
  },
  whoApproves: () => 'every site',
}
