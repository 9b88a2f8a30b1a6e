import type { KmsSlot } from '../records/definition-fields.ts'
/** Short forms for screens. JSON always has the whole. */

export const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, width - 1)}…`

/** Keeps the end, where paths and key names differ. */
export const cutFront = (text: string, width: number): string =>
  text.length <= width ? text : `…${text.slice(-(width - 1))}`

/** Two blanks or more are written out: padded with them, a long text would wrap into what looks like lines of ours. */
export const unpadded = (text: string): string =>
  text.replace(/[\p{Zs}\u2800]{2,}/gu, (run) =>
    [...run].map((blank) => `\\u{${blank.codePointAt(0)?.toString(16)}}`).join(''),
  )

/** Scheme, host and port stay whole, since they say who is spoken to; of a path the end is kept. */
export const shortUrl = (url: string, width: number): string => {
  const path = url.indexOf('/', url.indexOf('//') + 2)
  if (url.length <= width || path === -1) return url
  return `${url.slice(0, path + 1)}${cutFront(url.slice(path + 1), Math.max(12, width - path - 1))}`
}

/** qsite1q9…f3: role, two characters, and the end of the checksum. */
export const shortIdentity = (identity: string): string => {
  const at = identity.indexOf('1')
  return `${identity.slice(0, at + 3)}…${identity.slice(-2)}`
}

/** 2026-12-01 09:00Z of 2026-12-01T09:00:00Z. */
export const shortTime = (time: string): string => `${time.slice(0, 10)} ${time.slice(11, 16)}Z`

/** A file name as a shell takes it back: what is printed can be pasted. */
export const shellWord = (text: string): string =>
  /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

/** Names as a person reads them out; of many sites the first few. */
export const siteNames = (sites: readonly { readonly name: string }[]): string => {
  const names = sites.map(({ name }) => name)
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 4).join(', ')} and ${names.length - 4} more`
}

/** KMS keys as people write them. */
export const kmsText = (keys: readonly KmsSlot[]): string =>
  keys.map(({ provider, key }) => `${provider}:${unpadded(key)}`).join(', ')
