import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseTrust, type Trust } from '../audit/trust.ts'
import { systemClock } from '../host/clock.ts'
import { inputBytes } from '../host/input.ts'
import { toEnvelope } from '../identity/dsse.ts'
import type { Hash, Identity } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import { DecodeError } from '../records/codec.ts'
import { ceremonyId } from '../records/definition.ts'
import { readDefinition } from '../records/definition-yaml.ts'
import {
  CALENDAR_TYPE,
  type Calendar,
  calendarSchema,
  type DrillReport,
  drillCodec,
  type Incident,
} from '../records/drill.ts'
import { decodeYaml } from '../records/yaml.ts'
import { type Drill, drill } from '../rehearsal/drill.ts'
import { rehearsalProps } from './rehearsal-props.ts'
import { openSigned, reportSigner } from './signed-report.ts'

interface DrillWanted {
  /** YAML. */
  readonly definition: Uint8Array
  readonly incident: Incident
  readonly site: string | undefined
  readonly seed: string | undefined
  /** The folder of the home that signs the report; undefined: no report. */
  readonly home: string | undefined
  readonly passphrase: () => Promise<Secret>
}

export interface DrillShown extends Drill {
  readonly ceremony: Hash
  readonly name: string
  readonly protocol: string
  readonly seed: string
  readonly build: Hash
  readonly runtime: string
  readonly signer: Identity | null
}

interface Run {
  readonly shown: DrillShown
  readonly report: { readonly bytes: Uint8Array; readonly at: number } | undefined
}

/** Drills an incident in memory; of a home it takes no more than the identity that signs the report. */
export const runDrill = async (wanted: DrillWanted): Promise<Run> => {
  const definition = await readDefinition(wanted.definition)
  const key = wanted.home === undefined ? undefined : await reportSigner(wanted.home, wanted.passphrase)
  const props = await rehearsalProps(wanted.seed)
  const { incident, site } = wanted
  const drilled = await drill({ ...props, definition, incident, site })
  const { seed, build, runtime } = props
  const { name, protocol } = definition
  const facts = { ...drilled, ceremony: ceremonyId(definition), name, protocol, seed, build, runtime }
  const at = systemClock.now()
  const signed =
    key && (await key.signer.sign(drillCodec, { ...facts, steps: [...drilled.steps], identity: key.identity, at }))
  return {
    shown: { ...facts, signer: key?.identity ?? null },
    report: signed && { bytes: toEnvelope(signed), at },
  }
}

const DAY = 86_400_000
/** Days; the longest that a month, a quarter and a year can have. */
const PERIODS: Readonly<Record<Calendar['drills'][number]['every'], number>> = { month: 31, quarter: 92, year: 366 }

interface DrillDue {
  readonly incident: Incident
  readonly every: string
  /** Milliseconds since 1970 of the newest run that met its limits; null: none. */
  readonly last: number | null
  /** When it is due again; null: now, since it was never met. */
  readonly due: number | null
  readonly overdue: boolean
  /** A run after that one did not meet its limits. */
  readonly failedSince: boolean
}

export interface DrillList {
  readonly drills: readonly DrillDue[]
  /** Files that are no reports, or of nobody who is trusted. */
  readonly refused: readonly { readonly file: string; readonly reason: string }[]
}

/** Throws E_FILE that names the place. */
const readCalendar = async (bytes: Uint8Array): Promise<Calendar> => {
  try {
    return await decodeYaml(CALENDAR_TYPE, calendarSchema, bytes, 65_536)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new QuorateError('E_FILE', `the calendar: ${error.message}`, 'mend this place in it', {}, error)
  }
}

/** Bytes of one report file, no more than an envelope can have. */
const bytesOf = async (path: string): Promise<Uint8Array> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of inputBytes(path)) {
    size += chunk.length
    if (size > drillCodec.limit * 2 + 1024) break
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

const reportsIn = async (folder: string): Promise<readonly string[]> => {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.dsse')).sort()
  } catch (error) {
    // Before the first drill there is no folder, and every drill is overdue.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

const readAll = async (folder: string, trust: Trust) => {
  const reports: DrillReport[] = []
  const refused: { file: string; reason: string }[] = []
  for (const file of await reportsIn(folder))
    try {
      reports.push(openSigned(drillCodec, await bytesOf(join(folder, file)), trust))
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      refused.push({ file, reason: error.message })
    }
  return { reports, refused }
}

/** Which drills of a calendar are due, by the reports in a folder that somebody of the trust file signed. */
export const listDrills = async (wanted: {
  /** YAML. */
  readonly calendar: Uint8Array
  readonly reports: string
  /** Text of a trust file. */
  readonly trust: string
  readonly now: number
}): Promise<DrillList> => {
  const { drills } = await readCalendar(wanted.calendar)
  const { reports, refused } = await readAll(wanted.reports, parseTrust(wanted.trust))
  const newest = (incident: Incident, met: boolean): number | undefined =>
    reports
      // A report of tomorrow would keep a drill from ever being due.
      .filter((one) => one.incident === incident && one.met === met && one.at <= wanted.now)
      .map(({ at }) => at)
      .sort((a, b) => a - b)
      .at(-1)
  return {
    drills: drills.map(({ incident, every }) => {
      const last = newest(incident, true) ?? null
      const due = last === null ? null : last + PERIODS[every] * DAY
      const failed = newest(incident, false)
      return {
        ...{ incident, every, last, due },
        overdue: due === null || due < wanted.now,
        failedSince: failed !== undefined && (last === null || failed > last),
      }
    }),
    refused,
  }
}
