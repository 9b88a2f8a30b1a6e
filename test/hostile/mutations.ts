import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Codec } from '../../src/records/codec.ts'

/** Other values for one field, by what it holds: as many as its schema takes, a liar can sign. */

export interface Known {
  readonly identities: readonly string[]
  readonly sites: readonly string[]
  readonly opens: number
  readonly closes: number
}

const other = hashOf(utf8('something else'))
/** Words that a picklist of some record has. */
const words = [
  'site',
  'approver',
  'log',
  'cosign',
  'note',
  'channel',
  'message',
  'approve',
  'two-votes',
  'attempt-terms',
]
const MOST_TIME = 253_402_300_799_999

const filled = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => hashOf(utf8(`junk ${at}`))).sort()

const ofText = (was: string, known: Known): readonly unknown[] => {
  if (/^q(site|approver|relay)1/.test(was)) return known.identities.filter((one) => one !== was)
  if (known.sites.includes(was)) return [...known.sites.filter((one) => one !== was), 'nobody']
  if (/^([0-9a-f]{2}){16,}$/.test(was)) {
    const flipped = `${was[0] === '0' ? '1' : '0'}${was.slice(1)}`
    return [other.padEnd(was.length, 'a').slice(0, was.length), flipped, '0'.repeat(was.length), 'ab'.repeat(256), null]
  }
  return [...words, 'x', 'x'.repeat(32), 'x'.repeat(64), 'x'.repeat(280), null]
}

const ofNumber = (was: number, { opens, closes }: Known): readonly number[] =>
  [was + 1, was - 1, 0, 1, 2, 100, 1_000_000, 2 ** 40, opens - 1, closes + 1, was + 86_400_000, MOST_TIME].filter(
    (one) => one !== was,
  )

const ofBytes = (was: Uint8Array): readonly Uint8Array[] => {
  const flipped = was.slice()
  if (flipped.length > 0) flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 1
  return [flipped, new Uint8Array(0), was.subarray(1), new Uint8Array(4096).fill(0x61), new Uint8Array(2 ** 18)]
}

const ofList = (was: readonly unknown[], known: Known): readonly unknown[] => {
  const [first] = was
  const last = was.at(-1)
  const inner = last === undefined ? [] : valuesInPlaceOf(last, known).map((one) => [...was.slice(0, -1), one])
  const longer = typeof first === 'string' || first === undefined ? [32, 48, 4].map(filled) : []
  return [[], [...was].reverse(), [...was, ...was], was.slice(1), ...longer, ...inner].filter(
    (one) => JSON.stringify(one) !== JSON.stringify(was),
  )
}

const valuesInPlaceOf = (was: unknown, known: Known): readonly unknown[] => {
  if (was === null || was === undefined) return [other, 'x'.repeat(280), 1, { label: 'inner', members: [1, 2] }]
  if (typeof was === 'string') return ofText(was, known)
  if (typeof was === 'number') return ofNumber(was, known)
  if (typeof was === 'boolean') return [!was]
  if (was instanceof Uint8Array) return ofBytes(was)
  if (Array.isArray(was)) return ofList(was, known)
  return Object.entries(was).flatMap(([field, value]) =>
    valuesInPlaceOf(value, known).map((one) => ({ ...was, [field]: one })),
  )
}

/** The values that differ from a true one in this field alone, as far as the record's schema takes them. */
export const mutationsOf = <T>(codec: Codec<T>, value: T, field: string, known: Known): readonly T[] =>
  valuesInPlaceOf((value as Record<string, unknown>)[field], known).flatMap((one) => {
    const changed = { ...value, [field]: one }
    try {
      codec.encode(changed)
      return [changed]
    } catch {
      // Nobody can sign a value that its schema does not take and be read.
      return []
    }
  })
