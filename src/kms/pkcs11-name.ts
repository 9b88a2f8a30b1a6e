import { fromUtf8, toHex } from '../lib/bytes.ts'
import { printable } from '../lib/printable.ts'

/**
 * Names of keys in a PKCS#11 token: URIs of RFC 7512, without their scheme. Only attributes that tell one key are read, and
 * every other one refuses the name: one that were passed over might be the one that tells two keys apart.
 */
export interface Pkcs11Name {
  /** As the token tells of itself; the label or the serial number is among them. */
  readonly token: Readonly<Partial<Record<TokenField, string>>>
  /** Label of the key, as its owner set it. */
  readonly object: string | undefined
  readonly id: Uint8Array | undefined
  /** Absolute path of the library that speaks for the token. */
  readonly modulePath: string
}

const tokenFields = ['token', 'serial', 'manufacturer', 'model'] as const
type TokenField = (typeof tokenFields)[number]

/** Most bytes of each, once decoded: of a token's fields by CK_TOKEN_INFO, of a key's by what people write. */
const inPath = { token: 32, serial: 16, manufacturer: 32, model: 16, object: 128, id: 64, type: 16 } as const
const inQuery = { 'module-path': 255 } as const

/** Attributes of RFC 7512 that people may well write, and why they are not read. */
const refused = new Map([
  ['pin-value', 'a PIN does not stand in a name, which everybody may read'],
  ['pin-source', 'the PIN comes from this site’s own environment, not from pin-source'],
  ['module-name', 'it takes module-path, not module-name'],
])

// As RFC 7512 has them, section 2.3; whatever else there is stands as %XX.
const PATH_VALUE = /^(?:[\w\-.~:[\]@!$'()*+,=&]|%[\dA-Fa-f]{2})+$/
const QUERY_VALUE = /^(?:[\w\-.~:[\]@!$'()*+,=/?|]|%[\dA-Fa-f]{2})+$/

const bytesOf = (value: string): Uint8Array =>
  Uint8Array.from(value.match(/%..|./g) ?? [], (one) =>
    one.length === 3 ? Number.parseInt(one.slice(1), 16) : one.charCodeAt(0),
  )

/** Undefined where a person could not tell it from another one on a screen. */
const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    const text = fromUtf8(bytes)
    return text === text.trim() && text === printable(text) ? text : undefined
  } catch {
    return undefined
  }
}

/** Adds the attributes of one part to those that were found; a string says why not. */
const collect = (
  found: Map<string, Uint8Array>,
  parts: readonly string[],
  known: Readonly<Record<string, number>>,
  form: RegExp,
): string | undefined => {
  for (const part of parts) {
    const at = part.indexOf('=')
    const [name, value] = [part.slice(0, Math.max(at, 0)), part.slice(at + 1)]
    if (!/^[a-z-]{1,32}$/.test(name)) return 'its attributes are NAME=VALUE, with ; between them and & after the ?'
    const most = Object.hasOwn(known, name) ? known[name] : undefined
    if (most === undefined) return refused.get(name) ?? `${name} is no attribute that is read there`
    if (found.has(name)) return `it has ${name} twice`
    if (!form.test(value)) return `its ${name} is empty, or has a character that stands as %XX there`
    const bytes = bytesOf(value)
    if (bytes.length > most) return `its ${name} is longer than ${most} bytes`
    found.set(name, bytes)
  }
  return undefined
}

/** A name as it is read; a string says why it is none. */
export const readPkcs11Name = (text: string): Pkcs11Name | string => {
  if (text.length > 512) return 'it is longer than 512 characters'
  const [, path, query] = /^([^?]*)\?(.*)$/s.exec(text) ?? []
  if (path === undefined || query === undefined) return 'it has no ?module-path='
  const found = new Map<string, Uint8Array>()
  const flaw =
    collect(found, path.split(';'), inPath, PATH_VALUE) ?? collect(found, query.split('&'), inQuery, QUERY_VALUE)
  if (flaw !== undefined) return flaw
  const texts = new Map<string, string>()
  for (const [name, bytes] of found) {
    const read = name === 'id' ? '' : textOf(bytes)
    if (read === undefined) return `its ${name} is not text in UTF-8 without control characters and outer blanks`
    texts.set(name, read)
  }
  const modulePath = texts.get('module-path') ?? ''
  if (!/^(?:\/(?!\.{1,2}(?:\/|$))[^/]+)+$/.test(modulePath)) return 'its module-path is no absolute path of a file'
  if (!texts.has('token') && !texts.has('serial')) return 'it names no token: add token= or serial='
  const id = found.get('id')
  const object = texts.get('object')
  if (object === undefined && id === undefined) return 'it names no key: add object= or id='
  if ((texts.get('type') ?? 'secret-key') !== 'secret-key') return 'its type is not secret-key'
  const token = Object.fromEntries(tokenFields.flatMap((name) => (texts.has(name) ? [[name, texts.get(name)]] : [])))
  return { token, object, id, modulePath }
}

const spelt = (parts: readonly (readonly [string, string | undefined])[]): string =>
  parts
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
    .sort()
    .join(';')

/** The token and its module: to whoever is in this place, a site shows its PIN. */
export const pkcs11Place = (text: string): string | null => {
  const name = readPkcs11Name(text)
  return typeof name === 'string' ? null : `${spelt(Object.entries(name.token))} of ${name.modulePath}`
}

/** The token as people call it. Two names of one token may differ: by label, by serial number, or by both. */
export const pkcs11Token = (text: string): string | null => {
  const name = readPkcs11Name(text)
  if (typeof name === 'string') return null
  const { token, serial } = name.token
  return ['PKCS#11 token', token, ...(serial === undefined ? [] : ['serial', serial])].filter(Boolean).join(' ')
}

/** The key in its token, whichever module leads there. */
export const pkcs11Material = (text: string): string => {
  const name = readPkcs11Name(text)
  if (typeof name === 'string') return text
  const { token, serial } = name.token
  const id = name.id === undefined ? undefined : toHex(name.id)
  return spelt(Object.entries({ token, serial, object: name.object, id }))
}

export const pkcs11Flaw = (text: string): string | undefined => {
  const name = readPkcs11Name(text)
  return typeof name === 'string' ? name : undefined
}
