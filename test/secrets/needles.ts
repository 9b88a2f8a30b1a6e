/** Finds secrets in bytes, however they are written. */

export interface Secretive {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface Found {
  readonly name: string
  readonly encoding: string
  readonly at: number
}

const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

/** Base64 of the bytes wherever they begin within a group of three: without the characters that neighbours change. */
const base64At = (bytes: Uint8Array, shift: number, url: boolean): Uint8Array => {
  const padded = new Uint8Array(shift + bytes.length + 2)
  padded.set(bytes, shift)
  const text = Buffer.from(padded).toString(url ? 'base64url' : 'base64')
  return ascii(text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6)))
}

const decimal = (bytes: Uint8Array): Uint8Array => ascii(BigInt(`0x${Buffer.from(bytes).toString('hex')}`).toString())

/** Every way of writing that is looked for, in both byte orders. */
export const encodingsOf = (bytes: Uint8Array): ReadonlyMap<string, Uint8Array> => {
  const found = new Map<string, Uint8Array>()
  for (const [order, value] of [
    ['', bytes],
    ['reversed ', bytes.toReversed()],
  ] as const) {
    const hex = Buffer.from(value).toString('hex')
    found.set(`${order}raw`, value)
    found.set(`${order}hex`, ascii(hex))
    found.set(`${order}upper hex`, ascii(hex.toUpperCase()))
    found.set(`${order}decimal`, decimal(value))
    found.set(`${order}list`, ascii(value.join(',')))
    for (const shift of [0, 1, 2]) {
      found.set(`${order}base64 at ${shift}`, base64At(value, shift, false))
      found.set(`${order}base64url at ${shift}`, base64At(value, shift, true))
      // A file that holds hex, inside a record in base64.
      found.set(`${order}base64 of hex at ${shift}`, base64At(ascii(hex), shift, false))
    }
  }
  return found
}

interface Needle extends Secretive {
  readonly encoding: string
}

const key = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)

/** Looks for all secrets at once. One shorter than 16 bytes would be found by chance. */
export const finder = (secrets: readonly Secretive[]): ((haystack: Uint8Array) => readonly Found[]) => {
  const needles = new Map<number, Needle[]>()
  const seen = new Set<string>()
  for (const { name, bytes } of secrets) {
    if (bytes.length < 16) throw new RangeError(`${name} is too short to be looked for`)
    for (const [encoding, written] of encodingsOf(bytes)) {
      const text = Buffer.from(written).toString('latin1')
      if (seen.has(text)) continue
      seen.add(text)
      const first = key(written, 0)
      needles.set(first, [...(needles.get(first) ?? []), { name, encoding, bytes: written }])
    }
  }
  const filter = new Uint8Array(2 ** 24)
  for (const first of needles.keys()) filter[first] = 1
  return (haystack) => {
    const found: Found[] = []
    const whole = Buffer.from(haystack.buffer, haystack.byteOffset, haystack.length)
    for (let at = 0; at + 3 <= haystack.length; at++) {
      const first = key(haystack, at)
      if (filter[first] === 0) continue
      for (const needle of needles.get(first) ?? [])
        if (whole.subarray(at, at + needle.bytes.length).equals(needle.bytes))
          found.push({ name: needle.name, encoding: needle.encoding, at })
    }
    return found
  }
}
