import { expect } from 'vitest'
import type { SiteId } from '../../src/lib/brand.ts'
import { recordNames, rowOf } from '../../src/records/record-table.ts'
import { seededRandom } from '../support/random.ts'
import { report } from '../support/report.ts'
import type { Liar } from './ceremonies.ts'
import { type Base, lyingBase, type Verified, withLiar } from './own-log.ts'
import {
  fieldsOf,
  lyingSite,
  nameOfLie,
  ownValue,
  type RecordLie,
  type Samples,
  type Subject,
  sampleOfRound,
  subjects,
  ways,
  wholes,
} from './record-lies.ts'

const kinds = ['keygen', 'sign', 'refresh', 'reconstruct', 'readmit', 'emergency', 'rewrap'] as const
const [s1, s3] = ['s1', 's3'] as [SiteId, SiteId]

/** The site that returns in a readmit says what nobody else does; of all else the samples are those of s3, who comes last. */
const speakers = [['readmit', s1] as const, ['rewrap', s1] as const, ...kinds.map((kind) => [kind, s3] as const)]

/** What a site says of itself in ceremonies of honest sites. */
export const samplesOf = async (base: Base): Promise<Samples> => {
  const found = new Map<Subject, Record<string, unknown>>()
  for (const [kind, site] of speakers) {
    const liar: Liar = {
      site,
      ceremony: undefined,
      talk(_to, message) {
        const own: ReturnType<typeof ownValue> = liar.ceremony && ownValue(liar.ceremony, message)
        if (own !== undefined) found.set(own.subject, own.value)
        return [message]
      },
      post(_topic, _to, bytes) {
        found.set('round', sampleOfRound(bytes))
        return [bytes]
      },
    }
    for (const { ended, verdict } of await withLiar(base, kind, `samples ${site}`, () => liar, site))
      expect([ended, verdict]).toEqual(['0', 'valid'])
  }
  return found
}

/** Every lie: subject by field by way, and the lies about whole records. */
export const allLies = (samples: Samples): readonly RecordLie[] => {
  const random = seededRandom('moments and values')
  // Drawn apart, so that the others lie at the moments that they did.
  const later = seededRandom('moments and values of a readmit')
  const sampled = (subject: Subject) => samples.get(subject) ?? fallback[subject]
  return kinds.flatMap((kind) =>
    subjects.flatMap((subject) => {
      const sample = sampled(subject)
      if (sample === undefined) throw new Error(`no true value of ${subject}: nobody lies with it`)
      const returns = kind === 'readmit' && subject === 'rebound'
      const isWitness = kind === 'rewrap' && subject === 'witnessed'
      const by =
        returns || isWitness
          ? [s1]
          : subject === 'attempt' || subject === 'hello' || subject === 'round'
            ? [s1, s3]
            : [s3]
      const isLater = kind === 'readmit' || subject === 'readmitted' || subject === 'rebound'
      const drawn = (): number => Buffer.from((isLater ? later : random)(2)).readUInt16BE()
      const common = () => ({ kind, subject, silent: drawn() % 4 === 0, pick: drawn() })
      return by.flatMap((who) => [
        ...wholes.map((way): RecordLie => ({ ...common(), by: who, field: undefined, way })),
        ...fieldsOf(subject, sample).flatMap((field) =>
          ways
            .filter((way) => way !== 'from inside' || isSignedInside(subject))
            .map((way): RecordLie => ({ ...common(), by: who, field, way })),
        ),
      ])
    }),
  )
}

const isSignedInside = (subject: Subject): boolean =>
  recordNames.some((name) => name === subject && rowOf(name).signedBy === 'message')

/** Subjects that honest sites have no occasion to say; only their fields matter here. */
const fallback: Partial<Record<Subject, Record<string, unknown>>> = {
  aborted: {
    ceremony: 0,
    identity: 0,
    counter: 0,
    at: 0,
    phase: 0,
    approvals: 0,
    votes: 0,
    certificates: 0,
    evidence: 0,
    abort: 0,
  },
  blame: {
    ceremony: 0,
    attempt: 0,
    session: 0,
    protocol: 0,
    within: 0,
    accused: 0,
    party: 0,
    accuser: 0,
    check: 0,
    messages: 0,
  },
  want: { objects: 0 },
  ask: { objects: 0 },
  gone: { objects: 0 },
  body: { bytes: 0 },
}

/** Of the lies, every `of`-th from `at` on: each field of each subject stands there eight times, once for each way. */
export const shareOf = (lies: readonly RecordLie[], at: number, of: number): readonly RecordLie[] =>
  lies.filter((_, place) => place % of === at % of)

/** Plays one lie, and holds what it must not do to the honest sites. */
export const playLie = async (base: Base, samples: Samples, lie: RecordLie): Promise<readonly Verified[]> => {
  const name = nameOfLie(lie)
  const ended = await withLiar(base, lie.kind, name, () => lyingSite(lie, samples), lie.by)
  try {
    judgeEnds(lie, ended)
  } catch (error) {
    throw new Error(`${name}: ${ended.map((one) => JSON.stringify(one)).join(' ')}`, { cause: error })
  }
  return ended
}

const judgeEnds = ({ by, kind }: Pick<RecordLie, 'by' | 'kind'>, ended: readonly Verified[]): void => {
  const closed = ended.filter((one) => one.ended === '0')
  for (const { ended: how, failing, verdict, accused, proofs } of ended) {
    // A bug's error is no error of the table.
    expect(how).toMatch(/^(0|E_(?!BUG)[A-Z_]+)$/)
    expect(failing).toEqual([])
    if (verdict !== undefined) expect(['valid', 'incomplete']).toContain(verdict)
    expect([...accused, ...proofs].filter((one) => one !== by)).toEqual([])
  }
  expect(new Set(closed.map(({ made }) => made)).size).toBeLessThanOrEqual(1)
  // The honest sites alone are a quorum of some epoch, whatever the liar does.
  if (kind === 'refresh')
    expect(ended[0]?.usable.some((record) => ended.every(({ usable }) => usable.includes(record)))).toBe(true)
  // Where one has the key all voted for it, and nobody says that none was made.
  // A share is given, and a site taken back, by each site alone: a proof may stop one before it did, and another after that.
  if (kind !== 'sign' && kind !== 'reconstruct' && kind !== 'readmit' && kind !== 'rewrap' && closed.length > 0)
    for (const { ended: how } of ended) expect(['0', 'E_NOT_FINISHED']).toContain(how)
}

/** Plays every `of`-th lie from `at` on, and reports how the honest sites ended. */
export const recordLiars = async (at: number, of: number): Promise<void> => {
  const base = await lyingBase()
  const samples = await samplesOf(base)
  const ends = new Map<string, number>()
  const lies = shareOf(allLies(samples), at, of)
  for (const lie of lies)
    for (const { ended } of await playLie(base, samples, lie)) ends.set(ended, (ends.get(ended) ?? 0) + 1)
  report(`lies about records: ${lies.length}, ends ${JSON.stringify(Object.fromEntries(ends))}`)
}
