import type { CheckVerdict } from '../../audit/check.ts'
import type { VerifyReport } from '../../audit/verify.ts'
import { publicKeyForms, shortKey } from '../../formats/public-key.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { ProtocolId } from '../../records/definition-fields.ts'
import { shortId } from '../../records/short-id.ts'
import type { BundleShown, Merged } from '../../site/bundles.ts'
import type { Columns, Line, Lines, Tone } from '../term.ts'
import { shellWord, unpadded } from '../text.ts'

/** Verdicts stand further right than remarks do: a reason is a sentence. */
export const VERIFY_COLUMNS: Columns = { text: 12, note: 82 }

/** The report without the document's own fields. */
type Verified = Omit<VerifyReport, 'schema'>

const TONES: Readonly<Record<CheckVerdict, Tone>> = { holds: 'good', fails: 'bad', open: 'warn' }

const ended = ({ closed, state }: Verified['bundle']): string =>
  closed === null ? state : `${state === 'made' ? 'closed' : state} ${closed.replace('T', ' ')}`

const keyLine = ({ key, bundle }: Verified): Line[] =>
  key === null
    ? []
    : [
        {
          label: 'key',
          text: `${key.protocol}  ${shortKey(publicKeyForms(key.protocol as ProtocolId, key.publicKey, bundle.name).hex)}`,
        },
      ]

/** The old key of an emergency: out of use as far as its holders say so, and keep their word. */
const fenceLine = ({ fences }: Verified): Line[] =>
  fences === null
    ? []
    : [
        {
          label: 'old key',
          text: `${fences.name} ${fences.key.slice(0, 8)}: fenced at ${fences.fenced.length === 0 ? 'no holder' : fences.fenced.join(', ')}`,
          note: fences.outOfUse ? 'out of use' : `${fences.left.join(', ')} can still sign`,
          noteTone: fences.outOfUse ? 'good' : 'warn',
        },
      ]

const points = (count: number): string => `${count} open point${count === 1 ? '' : 's'}`

const VERDICTS: Readonly<Record<VerifyReport['verdict'], string>> = {
  valid: 'valid',
  invalid: 'not valid',
  incomplete: 'incomplete',
  'unknown-parties': 'consistent, by unknown parties',
}

/** The parts that are missing from an incomplete bundle, or the required point that is open. */
const lacks = ({ verdict: word, unmet, missing, checks }: Verified): string => {
  if (word !== 'incomplete') return ''
  if (unmet.length > 0) return `: required and not there: ${unmet.join(', ')}`
  return `: ${checks.flatMap(({ id, reason }) => (missing.includes(id) ? reason : [])).join('; ')}`
}

const contradicting = (who: readonly string[]): string =>
  who.length === 1 ? `${who[0]} contradicts itself` : `${who.join(', ')} contradict themselves`

const verdict = (report: Verified): string => {
  const { verdict: word, open, failed, trust, contradictions } = report
  return [
    `${VERDICTS[word]}${lacks(report)}`,
    ...(word === 'invalid' ? [`${failed} ${failed === 1 ? 'check fails' : 'checks fail'}`] : []),
    ...(open === 0 ? [] : [points(open)]),
    ...(contradictions.length === 0 ? [] : [contradicting(contradictions.map(({ by }) => by))]),
    ...(trust === 'stated' ? ['believing the identities that the bundle names'] : []),
  ].join(', ')
}

const VERDICT_TONES: Readonly<Record<VerifyReport['verdict'], Tone>> = {
  valid: 'good',
  invalid: 'bad',
  incomplete: 'warn',
  'unknown-parties': 'bad',
}

/** Loud, and before everything that people take from a bundle: the key is kept apart no more. */
const wholeKeys = (reconstructed: Verified['reconstructed']): Lines =>
  reconstructed.flatMap(({ recipients, by, reason, ceremony }): Line[] => [
    {
      label: 'WHOLE KEY',
      text: `given to ${recipients.map(({ name }) => name).join(', ')}, by ${by.join(', ')}`,
      note: `ceremony ${shortId(ceremony)}`,
      tone: 'bad',
    },
    { label: '', text: `reason: ${unpadded(reason)}`, tone: 'bad' },
    ...recipients.map(({ name, id }) => ({ label: '', text: `${name}  ${id}` })),
  ])

/** A site of the key whose ledger went back once, and that the others took back. */
export const readmissionLines = (readmitted: Verified['readmitted']): Line[] =>
  readmitted.flatMap(({ site, size, by, reason, ceremony }): Line[] => [
    {
      label: 'READMITTED',
      text: `${site}, which came back with a ledger of ${size} events; ${by.join(', ')} say so`,
      note: `ceremony ${shortId(ceremony)}`,
      tone: 'warn',
    },
    { label: '', text: `reason: ${unpadded(reason)}`, tone: 'warn' },
  ])

export const verifyView = (report: Verified): Lines => [
  {
    label: 'bundle',
    text: `${report.bundle.kind} of ${report.bundle.name}, ceremony ${shortId(report.bundle.ceremony)}, ${ended(report.bundle)}`,
  },
  ...keyLine(report),
  ...fenceLine(report),
  ...(report.signature === null ? [] : [{ label: 'signature', text: report.signature }]),
  ...wholeKeys(report.reconstructed),
  ...readmissionLines(report.readmitted),
  '',
  ...report.lines.map(({ group, verdict: word, reason }) => ({
    label: group,
    text: reason,
    note: word,
    noteTone: TONES[word],
  })),
  ...failures(report),
  ...contradictions(report),
  '',
  ...report.notShown.map((text, n) => ({ label: n === 0 ? 'not shown' : '', text })),
  { label: 'verdict', text: verdict(report), tone: VERDICT_TONES[report.verdict] },
]

/** Every check that fails by its id, where a group's one line could hide the second. */
const failures = ({ checks }: Verified): Lines => {
  const failed = checks.filter((check) => check.verdict === 'fails')
  return failed.length === 0
    ? []
    : ['', ...failed.map(({ id, reason }) => ({ label: 'fails', text: `${id}: ${reason}`, tone: 'bad' as const }))]
}

/** Sites that contradict themselves, or are proven to have lied, by the checks that show it. */
const contradictions = ({ contradictions: found, checks }: Verified): Lines =>
  found.length === 0
    ? []
    : [
        '',
        ...found.flatMap(({ by, checks: ids }) =>
          ids.map((id) => ({
            label: by,
            text: `${id}: ${checks.find((check) => check.id === id)?.reason ?? ''}`,
            tone: 'warn' as const,
          })),
        ),
      ]

/** One line where sites state different code; each state of it, with who states it. */
/** Sites in other clouds run other SDKs; those in one cloud are to run the same. */
export const buildsWarning = (builds: VerifyReport['builds']): string | undefined => {
  const stated = builds.flatMap(({ sites, build, sdks }) => [
    { of: 'quorate', sites, build },
    ...sdks.map(({ provider, build: sdk }) => ({ of: provider, sites, build: sdk })),
  ])
  const differing = stated.filter(({ of, build }) => stated.some((other) => other.of === of && other.build !== build))
  if (differing.length === 0) return undefined
  const told = differing.map(({ of, sites, build }) => {
    const which = of === 'quorate' ? '' : `${of} `
    return `${sites.join(', ')} ${which}${build.slice(0, 16)}`
  })
  return `sites state different builds: ${[...new Set(told)].join('; ')}`
}

/** The reasons why the answer is no. */
export const verifyFault = ({ verdict: word, checks, unmet, messageGiven }: Verified): QuorateError | undefined => {
  const failed = checks.filter((check) => check.verdict === 'fails').map(({ id }) => id)
  switch (word) {
    case 'valid':
      return undefined
    case 'invalid':
      if (messageGiven === 'another' && failed.every((id) => id === 'signature.output'))
        return new QuorateError(
          'E_REFUSED',
          'the file that was given with --message is not what was signed',
          'give the file that was signed; without --message the bundle is checked alone',
          { failed },
        )
      return new QuorateError(
        'E_REFUSED',
        `the bundle does not hold: ${failed.join(', ')}`,
        'do not rely on it; ask the sites for their bundles of this ceremony',
        { failed },
      )
    case 'incomplete':
      return unmet.length === 0
        ? undefined
        : new QuorateError(
            'E_REFUSED',
            `a point that --require names is open, or is none of this bundle’s: ${unmet.join(', ')}`,
            'complete the bundle with audit merge, or decide without that point',
            { unmet },
          )
    case 'unknown-parties':
      return new QuorateError(
        'E_REFUSED',
        'consistent, but by nobody that you said you know',
        "give --trust with the sites' identities, or --trust-stated to believe those in the bundle",
      )
  }
}

const clock = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}Z`

export const bundleView = (shown: BundleShown): Lines => [
  {
    label: 'bundle',
    text: `${shown.kind} of ${shown.name}, ceremony ${shortId(shown.ceremony)}`,
    note: 'not verified: see audit verify',
  },
  {
    label: 'protocol',
    text: shown.definition.protocol,
    note: `${shown.definition.threshold} of ${shown.receivers.length}`,
  },
  ...wholeKeys(shown.reconstructed),
  ...readmissionLines(shown.readmitted),
  ...shown.sites.map(({ site, events, signed }) => ({
    label: 'log',
    text: `${site}  ${events} events`,
    note: signed ? 'signed the manifest' : 'has not signed the manifest',
  })),
  ...shown.builds.flatMap(({ sites, build, runtime, sdks }) => [
    { label: 'build', text: `${build.slice(0, 16)}  ${runtime ?? 'runtime not said'}`, note: sites.join(', ') },
    ...sdks.map((sdk) => ({ label: '', text: `${sdk.build.slice(0, 16)}  SDK for ${sdk.provider}` })),
  ]),
  ...shown.left.map(({ who, reason }) => ({ label: 'left', text: `${who}: ${reason}`, tone: 'warn' as const })),
  ...shown.accused.map(({ site, check }) => ({
    label: 'blame',
    text: `${site} contradicts itself: ${check}`,
    tone: 'warn' as const,
  })),
  {
    label: 'outputs',
    text: shown.outputs.length === 0 ? 'none' : shown.outputs.join(', '),
    note: `${shown.objects} records`,
  },
  '',
  ...shown.timeline.map(({ at, log, what, site, object }) => ({
    label: log,
    text: `${clock(at)}  ${what}${site === null || site === log ? '' : ` of ${site}`}`,
    note: object === null ? '' : object.slice(0, 16),
  })),
  ...(shown.messages === 0
    ? []
    : [{ label: '', text: `and ${shown.messages} messages of rounds: --messages`, tone: 'dim' as const }]),
]

export const mergedView = ({ ceremony, out, sites, signatures }: Merged): Lines => [
  { label: 'merged', text: out, note: `ceremony ${shortId(ceremony)}` },
  { label: 'logs', text: sites.join(', ') },
  { label: 'signed by', text: signatures.length === 0 ? 'nobody' : signatures.join(', ') },
  { label: 'next', text: `quorate audit verify --bundle ${shellWord(out)} --trust FILE` },
]
