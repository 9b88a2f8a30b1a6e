import { timingSafeEqual } from 'node:crypto'

const HEX = /^(?:[0-9a-f]{2})*$/

/** Lowercase hex of any bytes. */
export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** Bytes of a lowercase hex string; throws RangeError on anything else. */
export const fromHex = (text: string): Uint8Array => {
  if (!HEX.test(text)) throw new RangeError('not lowercase hex')
  return new Uint8Array(Buffer.from(text, 'hex'))
}

export const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

/** Bytes of padded standard base64 (RFC 4648 §4) whose spare bits are zero; throws RangeError on anything else. */
export const fromBase64 = (text: string): Uint8Array => {
  // Not by a pattern: a long text would overflow it.
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new RangeError('not canonical base64')
  return new Uint8Array(bytes)
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Text of valid UTF-8; throws TypeError on any other bytes and keeps a byte order mark. */
export const fromUtf8 = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)

/** Of bytes that may be no text: what is none of it comes out as U+FFFD, which nothing that is written here holds. */
export const asText = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)

const MARK = Uint8Array.of(0xef, 0xbb, 0xbf)

/** Text without the byte order mark that some editors write before it. */
export const withoutMark = (text: Uint8Array): Uint8Array =>
  MARK.every((byte, at) => text[at] === byte) ? text.subarray(MARK.length) : text

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => joined(parts)

/** Of any number: a call takes no more than about 100,000 arguments. */
export const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Constant-time for equal lengths; lengths are taken as public. */
export const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)

/** Bytewise order: negative, zero or positive. */
export const compare = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b)

export const u32 = (n: number): Uint8Array => {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, n)
  return out
}
