import { publicKeyForms, shortKey } from '../../formats/public-key.ts'
import { QuorateError } from '../../lib/errors.ts'
import { span } from '../../lib/span.ts'
import type { ProtocolId } from '../../records/definition-fields.ts'
import type { HistoryReport } from '../../site/history.ts'
import type { Line, Lines, Tone } from '../term.ts'
import { cut, kmsText, unpadded } from '../text.ts'
import { readmissionLines } from './audit.ts'

type Key = HistoryReport['keys'][number]

const time = (closed: string | null): string => (closed === null ? 'no closed log' : closed.replace('T', ' '))

/** `4 by epoch 1, 2 by epoch 2`. */
const signaturesText = ({ signatures, replaced }: Key): string => {
  const counts = new Map<string, number>()
  for (const { epoch } of signatures) {
    const by = epoch === null ? 'an epoch that is not here' : `epoch ${epoch}`
    counts.set(by, (counts.get(by) ?? 0) + 1)
  }
  const after = signatures.filter(({ afterFence }) => afterFence).length
  const fenced = replaced.length === 0 ? '' : `; ${after} of them after the emergency`
  return counts.size === 0
    ? 'none here'
    : `${[...counts].map(([by, count]) => `${count} by ${by}`).join(', ')}${fenced}`
}

const SAYS = {
  newest: ['the newest here', 'good'],
  older: ['older than the newest here', 'plain'],
  unknown: ['its bundle is not here: ask for it', 'warn'],
} as const

const headLine = ({ identity, at, epoch, says }: Key['heads'][number]): Line => ({
  label: 'head',
  text: `epoch ${epoch}, as ${cut(identity, 20)} says, ${at.slice(0, 19).replace('T', ' ')}Z`,
  note: SAYS[says][0],
  noteTone: SAYS[says][1],
})

const keyLines = (key: Key): Line[] => {
  const { name, protocol, publicKey, key: id, epochs, superseded, reconstructed, age, overdue, faults } = key
  const newest = epochs.at(-1)
  return [
    {
      label: 'key',
      text: `${name}  ${protocol}  ${shortKey(publicKeyForms(protocol as ProtocolId, publicKey, name).hex)}`,
      note: id.slice(0, 8),
      tone: 'strong',
    },
    ...epochs.map(
      ({ epoch, kind, record, closed, file, verdict }): Line => ({
        label: `epoch ${epoch}`,
        text: `${kind.padEnd(10)}${time(closed)}  ${file}`,
        note: epochs.some(({ supersedes }) => supersedes.includes(record)) ? 'superseded' : verdict,
      }),
    ),
    ...superseded.map(
      ({ epoch, record, file }): Line => ({
        label: 'superseded',
        text: `epoch ${epoch}, record ${record.slice(0, 16)}, was never finished  ${file}`,
      }),
    ),
    ...reconstructed.flatMap(({ recipients, reason, closed, file, signedAfter }): Line[] => [
      {
        label: 'WHOLE KEY',
        text: `given to ${recipients.map((to) => to.name).join(', ')} at ${time(closed)}  ${file}`,
        note: `${signedAfter} signed after`,
        tone: 'bad',
        noteTone: 'bad',
      },
      { label: '', text: `reason: ${unpadded(reason)}`, tone: 'bad' },
      { label: '', text: 'every signature after it may be by whoever holds the key, with no site', tone: 'bad' },
    ]),
    ...readmissionLines(key.readmitted),
    ...key.rewrapped.map(
      ({ site, epoch, to, closed, witnesses, file }): Line => ({
        label: 'rewrapped',
        text: `${site}${epoch === null ? '' : `, epoch ${epoch}`}, under ${kmsText(to)}  ${time(closed)}  ${file}`,
        note: `cosigned by ${witnesses.join(', ')}`,
      }),
    ),
    ...key.replaced.map(
      ({ name: fresh, key: id, closed, fenced, left, retired, outOfUse, file }): Line => ({
        label: 'replaced',
        text: `by ${fresh} ${id.slice(0, 8)}  ${time(closed)}  fenced at ${fenced.length === 0 ? 'no holder' : fenced.join(', ')}  ${file}`,
        note: outOfUse ? 'out of use' : `${left.join(', ')} can still sign${retired ? '' : '; too few said so'}`,
        noteTone: outOfUse ? 'good' : 'bad',
      }),
    ),
    { label: 'signatures', text: signaturesText(key) },
    {
      label: 'newest',
      text: newest === undefined ? 'no epoch of this key is here' : `epoch ${newest.epoch} is the newest known`,
      ...(age === null ? {} : { note: `${span(age)} old${overdue ? ': overdue' : ''}` }),
      ...(overdue ? { noteTone: 'bad' as const } : {}),
    },
    ...(newest === undefined ? [] : [{ label: 'record', text: newest.record }]),
    ...key.heads.map(headLine),
    ...faults.map(
      ({ what, reason, files }): Line => ({
        label: what,
        text: `${reason} (${files.slice(0, 3).join(', ')}${files.length > 3 ? ` and ${files.length - 3} more` : ''})`,
        tone: what === 'late' ? 'warn' : 'bad',
      }),
    ),
  ]
}

const VERDICTS: Readonly<Record<HistoryReport['verdict'], readonly [string, Tone]>> = {
  valid: ['valid: every bundle holds, and each epoch follows from the one before', 'good'],
  incomplete: ['incomplete', 'warn'],
  'unknown-parties': ['consistent, by unknown parties', 'bad'],
  invalid: ['not valid', 'bad'],
}

export const historyView = ({ keys, unseen, refused, incomplete, madeNothing, verdict }: HistoryReport): Lines => [
  ...keys.flatMap((key): Lines => [...keyLines(key), '']),
  ...unseen.map(
    ({ name, key }): Line => ({
      label: 'head',
      text: `of the key ${name} (${key.slice(0, 8)}), of which no bundle is here`,
      tone: 'warn',
    }),
  ),
  ...refused.map(({ file, reason }): Line => ({ label: 'refused', text: `${file}: ${reason}`, tone: 'bad' })),
  ...(incomplete.length === 0
    ? []
    : [{ label: 'incomplete', text: `${incomplete.join(', ')}: audit verify says what is missing` }]),
  ...(madeNothing.length === 0 ? [] : [{ label: 'nothing', text: `made by ${madeNothing.join(', ')}` }]),
  { label: 'not shown', text: 'that no newer history is withheld: this is the newest known' },
  { label: 'verdict', text: VERDICTS[verdict][0], tone: VERDICTS[verdict][1] },
]

/** The reasons why the answer is no. A gap is no refusal: it says which bundle to ask for. */
export const historyFault = ({ verdict, refused, keys }: HistoryReport): QuorateError | undefined => {
  if (verdict === 'invalid')
    return new QuorateError(
      'E_REFUSED',
      refused.length > 0
        ? `bundles that do not hold: ${refused.map(({ file }) => file).join(', ')}`
        : 'the history has a fork, other sites than those that hold the key, or one ceremony with two results',
      'do not rely on it; ask the sites for their bundles of these ceremonies',
      { refused: refused.map(({ file }) => file) },
    )
  if (verdict === 'unknown-parties')
    return new QuorateError(
      'E_REFUSED',
      'consistent, but by nobody that you said you know',
      "give --trust with the sites' identities, or --trust-stated to believe those in the bundles",
    )
  const overdue = keys.filter((key) => key.overdue).map(({ name }) => name)
  return overdue.length === 0
    ? undefined
    : new QuorateError(
        'E_REFUSED',
        `the shares of ${overdue.join(', ')} are older than --max-age`,
        'plan new ones: quorate rotate plan --key NAME --out FILE; if it was done, add its bundle to the folder',
        { overdue },
      )
}
