import { toCanonicalJson } from '../../src/lib/canonical.ts'
import { toCbor } from '../../src/lib/cbor.ts'

/** Inputs that are nearly right: good values changed in one or two places, written well or a little wrong. */

export interface Dice {
  /** Uniform in [0, n). */
  below(n: number): number
  chance(of: number): boolean
  pick<T>(list: readonly T[]): T
}

/** mulberry32: the same numbers for the same seed. */
export const dice = (seed: number): Dice => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
  const below = (n: number): number => next() % n
  return {
    below,
    chance: (of) => below(of) === 0,
    pick: (list) => list[below(list.length)] as (typeof list)[number],
  }
}

/** Terminal escapes, bidi, invisible and malformed characters, and what means something to a parser. */
export const NASTY: readonly string[] = [
  '\u001b[31m',
  '\u001b]0;title\u0007',
  '\u009b2J',
  '\r',
  '\n',
  '\t',
  '\u0000',
  '\u007f',
  '\u202e',
  '\u2066',
  '\u200f',
  '\u200b',
  '\u00ad',
  '\ufeff',
  '\u2028',
  '\ud800',
  '\udfff',
  'e\u0301',
  '\u{1f600}',
  '\u{e0041}',
  '\u3164',
  '\\',
  '"',
  "'",
  '%s',
  '../',
  '/',
  '__proto__',
]

const STRINGS: readonly string[] = [
  '',
  ' ',
  '0',
  'null',
  'true',
  '[]',
  'constructor',
  'toString',
  'a'.repeat(300),
  ...NASTY,
]
const NUMBERS: readonly number[] = [
  0,
  1,
  -1,
  2,
  255,
  256,
  65_535,
  2 ** 31,
  2 ** 32,
  2 ** 40,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 53),
  0.5,
  1e21,
  253_402_300_799_999,
]
const KEYS: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'type',
  '',
  'x',
  'extra',
  'a\u202eb',
  '\u001b[2J',
  'length',
  '0',
]

type Tree = unknown
type Holder = Record<string | number, Tree>

interface Place {
  readonly holder: Holder
  readonly key: string | number
}

const isHolder = (value: Tree): value is Holder =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array)

const placesIn = (root: Tree, into: Place[] = []): Place[] => {
  if (!isHolder(root)) return into
  const keys = Array.isArray(root) ? root.keys() : Object.keys(root)
  for (const key of keys) {
    into.push({ holder: root, key })
    placesIn(root[key], into)
  }
  return into
}

export const mutateText = (d: Dice, text: string): string => {
  const at = d.below(text.length + 1)
  switch (d.below(8)) {
    case 0:
      return text.slice(0, at)
    case 1:
      return `${text.slice(0, at)}${d.pick(NASTY)}${text.slice(at)}`
    case 2:
      return text.toUpperCase()
    case 3:
      return text + text.slice(at)
    case 4:
      return d.pick(STRINGS)
    case 5:
      return `${text.slice(0, at)}${text.slice(at + 1)}`
    case 6:
      return `${text.slice(0, at)}${String.fromCharCode(d.below(d.chance(4) ? 65_536 : 128))}${text.slice(at + 1)}`
    default: {
      // A digit for a digit, a letter for a letter: what often stays well-formed.
      const code = text.charCodeAt(at % Math.max(1, text.length))
      const alphabet = code < 58 ? '0123456789' : code < 97 ? 'ABCDEFGHIJKLMNOPQRSTUVWXYZ' : 'abcdef'
      const place = at % Math.max(1, text.length)
      return `${text.slice(0, place)}${d.pick([...alphabet])}${text.slice(place + 1)}`
    }
  }
}

export const mutateBytes = (d: Dice, bytes: Uint8Array): Uint8Array => {
  const at = d.below(bytes.length + 1)
  const out = bytes.slice()
  switch (d.below(8)) {
    case 0:
      return bytes.slice(0, at)
    case 1:
      return joined(bytes.subarray(0, at), Uint8Array.of(d.below(256)), bytes.subarray(at))
    case 2:
      return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + d.below(4)))
    case 3:
      return joined(bytes, bytes.subarray(at, at + 64))
    case 4:
      return joined(bytes.subarray(0, at), bytes.subarray(d.below(bytes.length + 1)))
    case 5:
      for (let n = 0; n < 4 && at + n < out.length; n++) out[at + n] = d.pick([0, 1, 127, 128, 255])
      return out
    default:
      if (out.length > 0) out[at % out.length] = (out[at % out.length] ?? 0) ^ (1 << d.below(8))
      return out
  }
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

const mutateNumber = (d: Dice, n: number): number =>
  d.pick([n + 1, n - 1, n * 2, -n, n + 0.5, d.below(300), d.pick(NUMBERS), d.pick(NUMBERS)])

const anything = (d: Dice): Tree =>
  d.pick<Tree>([null, true, false, [], {}, d.pick(STRINGS), d.pick(NUMBERS), [null], { x: 1 }, [[[[]]]]])

/** Changes the tree in one place. */
const change = (d: Dice, root: Tree): void => {
  const places = placesIn(root)
  if (places.length === 0) return
  const { holder, key } = d.pick(places)
  const value = holder[key]
  switch (d.below(10)) {
    case 0:
      holder[key] = anything(d)
      return
    case 1:
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete holder[key]
      return
    case 2:
      if (Array.isArray(holder)) holder.splice(Number(key), 0, structuredClone(value))
      else put(holder, d.pick(KEYS), d.chance(2) ? value : anything(d))
      return
    case 3: {
      // The value of another place, most often of the same sort.
      const other = d.pick(places)
      const found = other.holder[other.key]
      if (typeof found === typeof value || d.chance(4)) holder[key] = structuredClone(found)
      return
    }
    case 4:
      if (Array.isArray(holder) && holder.length > 1) holder.push(...holder.splice(0, 1))
      else holder[key] = [value]
      return
    default:
      if (typeof value === 'string') holder[key] = mutateText(d, value)
      else if (typeof value === 'number') holder[key] = mutateNumber(d, value)
      else if (typeof value === 'boolean') holder[key] = !value
      else if (value instanceof Uint8Array) holder[key] = mutateBytes(d, value)
      else if (value === null) holder[key] = anything(d)
      else if (isHolder(value) && !Array.isArray(value)) put(value, d.pick(KEYS), anything(d))
  }
}

/** Also a key `__proto__` becomes a field of its own. */
const put = (holder: Holder, key: string, value: Tree): void => {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true })
}

const times = (d: Dice): number => (d.chance(4) ? 1 + d.below(4) : 1)

export const mutateTree = <T>(d: Dice, tree: T): T => {
  for (let n = times(d); n > 0; n--) change(d, tree)
  return tree
}

/** JSON of a tree: canonical most of the time, else the same value in a spelling that no writer of ours uses. */
export const writeJson = (d: Dice, tree: Tree): Uint8Array => {
  const style = d.below(12)
  if (style > 3) {
    try {
      return toCanonicalJson(tree)
    } catch {
      return new Uint8Array(Buffer.from(JSON.stringify(tree)))
    }
  }
  const text = JSON.stringify(tree)
  const odd = d.pick([
    JSON.stringify(tree, null, 1),
    `${text}\n`,
    ` ${text}`,
    `\ufeff${text}`,
    text.replace('{', '{"x":1,"x":1,'),
    text.replace(/[a-z]/, (c) => `\\u00${c.charCodeAt(0).toString(16)}`),
    text.replace(/(\d+)([,}\]])/, '$1.0$2'),
    text.replace(/:(\d)/, ':0$1'),
    text.replaceAll('/', '\\/'),
    text.slice(0, d.below(text.length + 1)),
  ])
  const bytes = new Uint8Array(Buffer.from(odd))
  return d.chance(3) ? mutateBytes(d, bytes) : bytes
}

/** CBOR of a tree: deterministic most of the time, else with bytes changed: lengths, tags, indefinite forms. */
export const writeCbor = (d: Dice, tree: Tree): Uint8Array => {
  let bytes: Uint8Array
  try {
    bytes = toCbor(tree)
  } catch {
    bytes = Uint8Array.of(0xf6)
  }
  return d.chance(4) ? mutateBytes(d, bytes) : bytes
}

/** Inputs that a careless parser would never come back from. */
export const bombs = (limit: number): readonly Uint8Array[] => {
  const size = Math.min(limit, 2 ** 20)
  const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))
  const fill = (byte: number, n = size): Uint8Array => new Uint8Array(n).fill(byte)
  return [
    new Uint8Array(0),
    ascii('['.repeat(size)),
    ascii('{"a":'.repeat(Math.floor(size / 5))),
    ascii(`${'['.repeat(size / 2)}${']'.repeat(size / 2)}`),
    ascii(`[${'0,'.repeat(Math.floor(size / 2) - 2)}0]`),
    ascii(`{${Array.from({ length: Math.floor(size / 12) }, (_, n) => `"${n}":0`).join(',')}}`),
    ascii(`"${'\\u0000'.repeat(Math.floor(size / 6) - 1)}"`),
    ascii('9'.repeat(size)),
    ascii(`1e${'9'.repeat(Math.min(size, 1000))}`),
    fill(0x81),
    fill(0xa1),
    fill(0x9f),
    joined(Uint8Array.of(0x9b, 0, 0, 0, 1, 0, 0, 0, 0), fill(0, 100)),
    joined(Uint8Array.of(0x5b, 0, 0, 0, 1, 0, 0, 0, 0), fill(0, 100)),
    joined(Uint8Array.of(0xbb, 255, 255, 255, 255, 255, 255, 255, 255), fill(0, 100)),
    joined(fill(0xd8, Math.min(size, 1000)), Uint8Array.of(0)),
    fill(0),
    fill(0xff),
    ascii('- '.repeat(size / 2)),
    ascii('? '.repeat(size / 2)),
    ascii(`a: ${'&a '.repeat(100)}${'*a '.repeat(100)}`),
    ascii('\n'.repeat(size)),
    ascii(' '.repeat(size)),
    // Only just over the limit.
    fill(0x20, limit < 2 ** 24 ? limit + 1 : 1),
  ]
}
