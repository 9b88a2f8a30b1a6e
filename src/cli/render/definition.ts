import type { Finding } from '../../ceremony/definition/finding.ts'
import { QuorateError } from '../../lib/errors.ts'
import { span } from '../../lib/span.ts'
import { accessOf, accessRules } from '../../records/access.ts'
import type { Definition } from '../../records/definition.ts'
import type { KmsSlot, SiteEntry } from '../../records/definition-fields.ts'
import { protocols } from '../../records/protocols.ts'
import { shortId } from '../../records/short-id.ts'
import type { DefinitionShown } from '../../site/planning.ts'
import type { Seen } from '../../site/seen.ts'
import { cliKind } from '../kinds/index.ts'
import type { Line, Lines } from '../term.ts'
import { cut, cutFront, shellWord, shortIdentity, shortTime, shortUrl, unpadded } from '../text.ts'

const spare = (threshold: number, sites: number): string => {
  const lost = sites - threshold
  const quorum = threshold === sites ? 'all must sign' : `any ${threshold} sign`
  return `${quorum}; ${lost === 0 ? 'none' : `any ${lost}`} may be lost`
}

const kmsKey = ({ provider, key }: KmsSlot, width: number): string =>
  `${provider} ${cutFront(key, width - provider.length)}`

const kms = (slots: readonly KmsSlot[]): string =>
  slots.length === 1 ? slots.map((slot) => kmsKey(slot, 28)).join('') : `${slots.length} KMS keys`

/** Of a site that names several. */
const kmsLines = ({ name, kms: slots }: SiteEntry): Line[] =>
  slots.length === 1
    ? []
    : slots.map((slot, at) => ({
        label: at === 0 ? 'kms' : '',
        text: `${name}  ${kmsKey(slot, 44)}`,
        ...(at === 0 ? { note: `any ${accessRules[accessOf(slots) ?? 'one-key'].enough} open the shard` } : {}),
      }))

const siteNote = (own: boolean, leaves: boolean, protection: readonly string[]): Pick<Line, 'note' | 'noteTone'> => {
  const notes = [
    ...(own ? ['this site, its card matches'] : []),
    ...(leaves ? ['receives no share'] : []),
    ...protection,
  ]
  return notes.length === 0
    ? {}
    : { note: notes.join('; '), noteTone: protection.length > 0 || leaves ? 'warn' : 'good' }
}

const siteLines = (
  { definition: { sites }, protection, receivers }: DefinitionShown,
  own: string | undefined,
): Line[] => {
  const names = Math.max(...sites.map(({ name }) => name.length)) + 2
  return sites.map((site, n) => ({
    label: `site ${n + 1}`,
    text: `${site.name.padEnd(names)}${shortIdentity(site.identity)}  ${kms(site.kms)}  ${cut(site.jurisdiction, 12)}`,
    ...siteNote(site.identity === own, n >= receivers.length, protection[site.name] ?? []),
  }))
}

/** One line for each value, with the sites that state it: who states another is seen at once. */
const stated = (label: string, sites: Definition['sites'], of: (site: SiteEntry) => readonly string[]): Line[] => {
  const states = new Map<string, string[]>()
  for (const site of sites)
    for (const value of new Set(of(site))) states.set(value, [...(states.get(value) ?? []), site.name])
  return [...states].map(([text, names]) => ({
    label,
    text: unpadded(text),
    note: names.length === sites.length ? 'every site' : names.join(', '),
  }))
}

const control = ({ shared, receivers }: DefinitionShown): Line[] =>
  shared.length === 0
    ? [
        {
          label: 'control',
          text: `${receivers.length} separate administrators`,
          note: "none opens more than one site's shard",
        },
      ]
    : shared.map(({ kind, name, opens }) => ({
        label: 'control',
        text: kind === 'key-account' ? cut(name, 44) : `${kind} ${cut(name, 30)}`,
        note: `opens the shards of ${opens.join(', ')}`,
        noteTone: 'bad',
      }))

const window = ({ definition, window: state, left }: DefinitionShown): Line => ({
  label: 'window',
  text: `${shortTime(definition.window.opens)} to ${shortTime(definition.window.closes)}`,
  note: state === 'closed' ? 'closed' : state === 'open' ? `open, ${span(left)} left` : `opens in ${span(left)}`,
  noteTone: state === 'open' ? 'dim' : 'warn',
})

const deadlines = ({ gather, proposal, round, close }: Definition['deadlines']): string =>
  `gather ${gather} s, proposal ${proposal} s, round ${round} s, close ${close} s`

const findingLines = (findings: readonly Finding[]): Line[] =>
  findings.map(({ level, place, message: text }) => ({
    label: level,
    text: `${place}: ${text}`,
    tone: level === 'error' ? 'bad' : 'warn',
  }))

/** One screen: what is about to happen. `own` is the identity whose card was compared. */
export const definitionLines = (shown: DefinitionShown, own?: string): Lines => {
  const { definition, findings } = shown
  return [
    ...cliKind(definition).about(definition),
    { label: 'protocol', text: definition.protocol, note: protocols[definition.protocol].uses },
    {
      label: 'quorum',
      text: `${definition.threshold} of ${shown.receivers.length}`,
      note: spare(definition.threshold, shown.receivers.length),
    },
    window(shown),
    {
      label: 'attempts',
      text: `at most ${definition.attempts}`,
      note: deadlines(definition.deadlines),
    },
    ...(definition.clock === undefined
      ? []
      : [
          {
            label: 'clocks',
            text: `at most ${definition.clock.refuse} s apart`,
            note: `warned over ${definition.clock.warn} s`,
          },
        ]),
    ...siteLines(shown, own),
    ...definition.sites.flatMap(kmsLines),
    ...stated('store', definition.sites, ({ stores }) => stores),
    ...stated('measured', definition.sites, ({ measurement }) => [measurement ?? 'no measurement stated']),
    ...definition.approvers.map((identity) => ({
      label: 'approver',
      text: shortIdentity(identity),
      note: 'holds no share',
    })),
    ...definition.relays.map(({ url, identity }) => ({
      label: 'relay',
      text: shortUrl(url, 48),
      note: identity === null ? 'any identity' : shortIdentity(identity),
    })),
    ...control(shown),
    ...cliKind(definition).uses(definition),
    ...findingLines(findings),
  ]
}

/** All eight words, and which ceremony they stand for. */
const wordsLine = ({ words, ceremony }: DefinitionShown): Line => ({
  label: 'fingerprint',
  text: words.join(' '),
  tone: 'strong',
  note: `ceremony ${shortId(ceremony)}`,
})

/** Everything that a person must have seen who says yes; stands last on its screen. */
export const decisionLines = (definition: Definition, seen: Seen): Lines =>
  cliKind(definition).decides(definition, seen)

/**
 * The screen of `plan`: everything, with all words and the full id that --confirm takes; for what cannot run there is nothing to decide.
 */
export const planView = (shown: DefinitionShown & { readonly file: string | null }, seen: Seen): Lines => [
  ...definitionLines(shown),
  ...(definitionFault(shown) === undefined
    ? [
        '' as const,
        ...decisionLines(shown.definition, seen),
        '' as const,
        wordsLine(shown),
        { label: 'id', text: shown.ceremony },
      ]
    : []),
  ...(shown.file === null ? [] : [next(shown, shown.file)]),
]

const next = ({ definition, topic }: DefinitionShown, file: string): Line => ({
  label: 'next',
  text: `quorate ${topic} approve --definition ${shellWord(file)}`,
  note: `at ${cliKind(definition).whoApproves(definition)}${definition.approvers.length > 0 ? ', and each approver' : ''}`,
})

/** The faults by which the definition cannot run. */
export const definitionFault = ({ findings }: DefinitionShown): QuorateError | undefined => {
  const [first, ...more] = findings.filter(({ level }) => level === 'error')
  if (first === undefined) return undefined
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`
  return new QuorateError(
    'E_DEFINITION',
    `${first.place}: ${first.message}${others}`,
    'plan it anew; an approved definition is never mended in place',
  )
}
