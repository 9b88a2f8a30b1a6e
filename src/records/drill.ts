import * as v from 'valibot'
import { type Codec, jsonCodec } from './codec.ts'
import { hash, identity, instant, label, line, siteId, whole } from './fields.ts'

/** Incidents that can be drilled. */
const incidents = ['shard-compromised', 'site-lost', 'attack'] as const
export type Incident = (typeof incidents)[number]

const incident = v.picklist(incidents, `expected one of ${incidents.join(', ')}`)
const MOST_MS = 2 ** 40

/** One drill, for an auditor: small, and signed by the identity that ran it. */
const drillSchema = v.strictObject({
  incident,
  site: siteId,
  met: v.boolean(),
  /** The definition whose sites, quorum and deadlines were drilled. */
  ceremony: hash,
  name: label,
  protocol: label,
  identity,
  at: instant,
  seed: line(64),
  build: hash,
  runtime: line(128),
  steps: v.pipe(
    v.array(
      v.strictObject({
        what: line(200),
        state: v.picklist(['made', 'undecided', 'aborted', 'nothing']),
        limit: v.nullable(whole(0, MOST_MS)),
        waited: whole(0, MOST_MS),
        measured: whole(0, MOST_MS),
        met: v.boolean(),
      }),
    ),
    v.maxLength(16),
  ),
})
export type DrillReport = v.InferOutput<typeof drillSchema>
export const drillCodec: Codec<DrillReport> = jsonCodec('drill/v1', drillSchema, 2 ** 16)

/** Which incidents are drilled how often. */
export const calendarSchema = v.strictObject({
  drills: v.pipe(
    v.array(
      v.strictObject({ incident, every: v.picklist(['month', 'quarter', 'year'], 'expected month, quarter or year') }),
    ),
    v.minLength(1, 'expected a drill'),
    v.check((list) => new Set(list.map((one) => one.incident)).size === list.length, 'expected each incident once'),
  ),
})
export type Calendar = v.InferOutput<typeof calendarSchema>
export const CALENDAR_TYPE = 'drills/v1'
