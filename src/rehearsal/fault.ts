import type { SiteId } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { recordNames, recordTable } from '../records/record-table.ts'

/** Promises that a site makes durable before anybody sees them, and the end of its log. */
const barriers: readonly string[] = [...recordNames.filter((name) => recordTable[name].durable), 'closing']

interface Common {
  /** As it was given. */
  readonly text: string
  readonly site: SiteId
}

/** Something that goes wrong at one site, or that it does wrong itself. */
export type Fault = Common &
  (
    | { readonly does: 'drop' | 'lie'; readonly round: number }
    | { readonly does: 'delay'; readonly ms: number }
    | { readonly does: 'kill'; readonly barrier: string }
    | { readonly does: 'duplicate' | 'reorder' | 'partition' | 'stale' }
  )

type Read = (common: Common, value: string) => Fault | undefined

const whole = (text: string, most: number): number | undefined =>
  /^[1-9]\d{0,8}$/.test(text) && Number(text) <= most ? Number(text) : undefined

/** A report has room for no more. */
const MOST_FAULTS = 64
const MOST_ROUNDS = 20
/** Milliseconds: an hour. */
const MOST_DELAY = 3_600_000

const ofRound =
  (does: 'drop' | 'lie'): Read =>
  (common, value) => {
    const round = whole(value, MOST_ROUNDS)
    return round === undefined ? undefined : { ...common, does, round }
  }
const alone =
  (does: 'duplicate' | 'reorder' | 'partition' | 'stale'): Read =>
  (common) => ({ ...common, does })

/** One row a fault: how it is written, and read. */
const forms: Readonly<Record<Fault['does'], { readonly form: string; readonly read: Read }>> = {
  drop: { form: 'drop:SITE:ROUND', read: ofRound('drop') },
  delay: {
    form: 'delay:SITE:MS',
    read: (common, value) => {
      const ms = whole(value, MOST_DELAY)
      return ms === undefined ? undefined : { ...common, does: 'delay', ms }
    },
  },
  duplicate: { form: 'duplicate:SITE', read: alone('duplicate') },
  reorder: { form: 'reorder:SITE', read: alone('reorder') },
  partition: { form: 'partition:SITE', read: alone('partition') },
  kill: {
    form: 'kill:SITE:BARRIER',
    read: (common, barrier) => (barriers.includes(barrier) ? { ...common, does: 'kill', barrier } : undefined),
  },
  lie: { form: 'lie:SITE:ROUND', read: ofRound('lie') },
  stale: { form: 'stale:SITE', read: alone('stale') },
}

const listed = Object.values(forms)
  .map(({ form }) => form)
  .join(', ')

const usage = (message: string, sites: readonly SiteId[]): QuorateError =>
  new QuorateError(
    'E_USAGE',
    message,
    `write it as one of ${listed}; sites that join: ${sites.join(', ')}; barriers: ${barriers.join(', ')}; rounds from 1`,
  )

/** The faults that were written, for a ceremony that these sites join. Throws E_USAGE, and lists the forms. */
export const parseFaults = (texts: readonly string[], sites: readonly SiteId[]): readonly Fault[] => {
  if (texts.length > MOST_FAULTS) throw usage(`more than ${MOST_FAULTS} --fault`, sites)
  return texts.map((text, at) => {
    const [does = '', name = '', ...values] = text.split(':')
    const row = Object.hasOwn(forms, does) ? forms[does as Fault['does']] : undefined
    const fits = row !== undefined && row.form.split(':').length === 2 + values.length
    const site = sites.find((one) => one === name)
    const where = `the ${at + 1}. --fault`
    if (!fits) throw usage(`${where} has none of the forms of a fault`, sites)
    if (site === undefined) throw usage(`${where} names no site that joins this ceremony`, sites)
    const fault = row.read({ text, site }, values[0] ?? '')
    if (fault === undefined) throw usage(`${where} does not fit ${row.form}`, sites)
    return fault
  })
}

/** A fault as people read it. */
export const inWords = (fault: Fault): string => {
  const { site } = fault
  switch (fault.does) {
    case 'drop':
      return `from round ${fault.round} on nothing that ${site} sends arrives`
    case 'delay':
      return `everything that ${site} sends arrives ${fault.ms} ms later`
    case 'duplicate':
      return `everything that ${site} sends arrives twice`
    case 'reorder':
      return `what ${site} sends overtakes itself on the way`
    case 'partition':
      return `${site} reaches nobody, and nobody reaches it`
    case 'kill':
      return `the process of ${site} is killed as its barrier '${fault.barrier}' is durable, before anybody sees more`
    case 'lie':
      return `${site} signs something else in round ${fault.round} than it computed`
    case 'stale':
      return `${site} withdraws its approval as it joins`
  }
}
