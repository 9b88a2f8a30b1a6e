import * as v from 'valibot'
import type { Hash, Identity, Index, KeyHex, Party, SiteId, Time } from '../lib/brand.ts'

/** Shared fields of records. Messages say what is expected, never what was found. */

export const siteId = v.custom<SiteId>(
  (x) => typeof x === 'string' && /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(x),
  'expected a name of a-z, 0-9 and -, at most 32',
)
export const label = v.custom<string>(
  (x) => typeof x === 'string' && /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/.test(x),
  'expected a name of a-z, 0-9 and -, at most 64',
)
export const hash = v.custom<Hash>(
  (x) => typeof x === 'string' && /^[0-9a-f]{64}$/.test(x),
  'expected a SHA-256 in lowercase hex',
)
export const keyHex = v.custom<KeyHex>(
  (x) => typeof x === 'string' && /^[0-9a-f]{64}$/.test(x),
  'expected a 32-byte key in lowercase hex',
)
export const hexOf = (min: number, max: number) =>
  v.custom<string>(
    (x) => typeof x === 'string' && x.length >= 2 * min && x.length <= 2 * max && /^(?:[0-9a-f]{2})*$/.test(x),
    `expected lowercase hex of ${min} to ${max} bytes`,
  )
/** Shape only; identity/ checks the checksum. */
export const identity = v.custom<Identity>(
  (x) => typeof x === 'string' && /^q(?:site|approver|relay)1[02-9ac-hj-np-z]{58,70}$/.test(x),
  'expected an identity: qsite1…, qapprover1… or qrelay1…',
)
export const whole = (min: number, max: number) =>
  v.custom<number>(
    (x) => Number.isSafeInteger(x) && (x as number) >= min && (x as number) <= max,
    `expected a whole number from ${min} to ${max}`,
  )
export const index = v.custom<Index>(
  (x) => Number.isSafeInteger(x) && (x as number) >= 1 && (x as number) <= 255,
  'expected an index from 1 to 255',
)
export const party = v.custom<Party>(
  (x) => Number.isSafeInteger(x) && (x as number) >= 1 && (x as number) <= 255,
  'expected a party from 1 to 255',
)
/** Milliseconds since 1970. */
export const instant = whole(0, 253_402_300_799_999)
/** One line of NFC text without control or format characters. */
export const line = (max: number) =>
  v.custom<string>(
    (x) =>
      typeof x === 'string' &&
      x.length >= 1 &&
      x.length <= max &&
      x.isWellFormed() &&
      x === x.normalize('NFC') &&
      !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u.test(x),
    `expected one line of at most ${max} characters, NFC, no control characters`,
  )
export const time = v.custom<Time>(
  (x) =>
    typeof x === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(x) &&
    !Number.isNaN(Date.parse(x)) &&
    `${new Date(x).toISOString().slice(0, 19)}Z` === x,
  'expected a UTC time as 2026-12-01T09:00:00Z',
)
export const bytes = (min: number, max: number) =>
  v.custom<Uint8Array>(
    (x) => x instanceof Uint8Array && x.length >= min && x.length <= max,
    min === max ? `expected ${min} bytes` : `expected ${min} to ${max} bytes`,
  )
/** Canonical base64 of at most so many bytes; not by a pattern, which a long text would overflow. */
export const base64 = (max: number) =>
  v.custom<string>(
    (x) =>
      typeof x === 'string' &&
      x.length >= 4 &&
      x.length <= 4 * Math.ceil(max / 3) &&
      Buffer.from(x, 'base64').toString('base64') === x,
    `expected base64 of at most ${max} bytes`,
  )
export const sorted = <T extends string>(item: v.GenericSchema<unknown, T>, max: number) =>
  v.pipe(
    v.array(item),
    v.maxLength(max, `expected at most ${max} entries`),
    v.check((list) => list.every((x, i) => i === 0 || (list[i - 1] as T) < x), 'expected sorted entries, each once'),
  )
