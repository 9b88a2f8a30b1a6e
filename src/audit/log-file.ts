import { concat, equal, u32, utf8 } from '../lib/bytes.ts'
import { sha256 } from '../lib/hash.ts'

/**
 * The file of a log: a header, then records of kind (1 byte), length (4, big-endian), payload and checksum (8 bytes of
 * SHA-256 over the three). A write that a crash cut short ends in a record that is not whole.
 */

export const header: Uint8Array = utf8('quorate-log/v1\n')

/** Most bytes of one payload: a blame record of 4 MiB fits in its envelope. */
export const PAYLOAD_LIMIT = 2 ** 23

const kinds = { event: 0x45, body: 0x42, barrier: 0x43 } as const
type RecordKind = keyof typeof kinds

const HEAD = 5
const CHECKSUM = 8

export interface FileRecord {
  readonly kind: RecordKind
  readonly payload: Uint8Array
  /** Offset after it. */
  readonly end: number
}

export const encodeRecord = (kind: RecordKind, payload: Uint8Array): Uint8Array => {
  const head = concat(Uint8Array.of(kinds[kind]), u32(payload.length))
  return concat(head, payload, sha256(head, payload).subarray(0, CHECKSUM))
}

/** The record that begins at `at`; undefined where there is none that is whole. */
export const recordAt = (file: Uint8Array, at: number): FileRecord | undefined => {
  if (at + HEAD + CHECKSUM > file.length) return undefined
  const kind = (Object.keys(kinds) as RecordKind[]).find((one) => kinds[one] === file[at])
  const length = new DataView(file.buffer, file.byteOffset).getUint32(at + 1)
  const end = at + HEAD + length + CHECKSUM
  if (kind === undefined || length > PAYLOAD_LIMIT || end > file.length) return undefined
  const payload = file.subarray(at + HEAD, at + HEAD + length)
  const found = file.subarray(end - CHECKSUM, end)
  return equal(sha256(file.subarray(at, at + HEAD), payload).subarray(0, CHECKSUM), found)
    ? { kind, payload, end }
    : undefined
}

/** Records of a kind that begin anywhere after `from` and whose payload begins with `prefix`, in order. */
export function* recordsAfter(
  kind: RecordKind,
  file: Uint8Array,
  from: number,
  prefix: Uint8Array,
): Iterable<FileRecord> {
  const buffer = Buffer.from(file.buffer, file.byteOffset, file.length)
  for (let at = buffer.indexOf(prefix, from + HEAD); at !== -1; at = buffer.indexOf(prefix, at + 1)) {
    const record = recordAt(file, at - HEAD)
    if (record?.kind === kind) yield record
  }
}
