import * as v from 'valibot'
import { type Codec, jsonCodec } from './codec.ts'
import { hash, identity, instant, label, line, siteId, sorted, whole } from './fields.ts'

const MOST_SITES = 32
/** Of one join: an attempt has some twenty, and a definition a hundred attempts. */
const MOST_PHASES = 4096
const MOST_FAULTS = 64
const MOST_MS = 2 ** 40

const sites = v.pipe(v.array(siteId), v.maxLength(MOST_SITES))

const joinSchema = v.strictObject({
  site: siteId,
  /** Of the error that its operator would have read; null where there was none. */
  code: v.nullable(line(40)),
  message: v.nullable(line(2000)),
  exit: v.nullable(whole(0, 255)),
  /** The barrier at which its process was killed. */
  killed: v.nullable(label),
  phases: v.pipe(
    v.array(
      v.strictObject({
        name: line(100),
        /** Milliseconds of the fast clock. */
        waited: whole(0, MOST_MS),
        /** Milliseconds of real time, of all sites together. */
        measured: whole(0, MOST_MS),
      }),
    ),
    v.maxLength(MOST_PHASES),
  ),
})

const actSchema = v.strictObject({
  joins: v.pipe(v.array(joinSchema), v.maxLength(MOST_SITES)),
  end: v.strictObject({
    state: v.picklist(['made', 'undecided', 'aborted', 'nothing']),
    by: sites,
    waiting: sites,
    guilty: sorted(siteId, MOST_SITES),
  }),
})

const parts = v.pipe(v.array(line(64)), v.maxLength(32))

/**
 * One rehearsal, for those who approve the ceremony, and for an auditor. It decides nothing: no check of `audit verify`
 * rests on it.
 */
const rehearsalSchema = v.strictObject({
  /** The real definition. */
  ceremony: hash,
  kind: label,
  name: label,
  protocol: label,
  /** The identity that ran the rehearsal and signs this. */
  identity,
  /** When it was run, by that machine's clock. */
  at: instant,
  /** Where the fast clock began. */
  begins: instant,
  seed: line(64),
  build: hash,
  runtime: line(128),
  same: parts,
  replaced: parts,
  faults: v.pipe(v.array(v.strictObject({ fault: line(128), happened: v.boolean() })), v.maxLength(MOST_FAULTS)),
  first: actSchema,
  /** All joined again, without faults; null where that was not needed, or of no use. */
  again: v.nullable(actSchema),
})
export type RehearsalReport = v.InferOutput<typeof rehearsalSchema>
export const rehearsalCodec: Codec<RehearsalReport> = jsonCodec('rehearsal/v1', rehearsalSchema, 2 ** 22)
