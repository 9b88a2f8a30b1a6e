import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/lib/bytes.ts'
import { fromCanonicalJson, toCanonicalJson } from '../../src/lib/canonical.ts'

/** Keys that engines reorder, that prototypes have, and that sort otherwise by code points than by UTF-16 code units. */
const keys = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', '10', '2', '', 'a', 'A', '\u{1f600}', '\ufffd', '\\ud800', 'é'),
  fc.string({ unit: 'grapheme' }),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.string({ unit: 'grapheme' }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(keys, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
}))

describe('canonical JSON', () => {
  it('is read back as the value that it was written for', () => {
    fc.assert(
      fc.property(value, (one) => {
        const bytes = toCanonicalJson(one)
        expect(toCanonicalJson(fromCanonicalJson(bytes))).toEqual(bytes)
      }),
    )
  })

  it('is refused in any other spelling: only the bytes that a writer makes are read', () => {
    fc.assert(
      fc.property(value, fc.boolean(), (one, spaced) => {
        const text = JSON.stringify(one, null, spaced ? 1 : 0)
        const same = Buffer.from(toCanonicalJson(one)).equals(utf8(text))
        if (same) expect(fromCanonicalJson(utf8(text))).toEqual(JSON.parse(text))
        else expect(() => fromCanonicalJson(utf8(text))).toThrow(RangeError)
      }),
    )
  })

  it.each([
    ['keys out of order', '{"b":1,"a":2}'],
    ['keys out of order deep inside', '[{"a":[{"b":1,"a":2}]}]'],
    ['keys in the order of numbers', '{"2":1,"10":2}'],
    ['keys in the order of code points', '{"\ufffd":1,"\u{1f600}":2}'],
    ['a key twice', '{"a":1,"a":2}'],
    ['a space', '{"a": 1}'],
    ['a byte order mark', '\ufeff{"a":1}'],
    ['another form of a number', '1.0'],
    ['minus zero', '-0'],
    ['an escape that need not be', '"\\u0061"'],
    ['an escaped slash', '"\\/"'],
    ['a lone surrogate', '"\\ud800"'],
    ['a lone surrogate as key', '{"\\udc00":1}'],
  ])('is refused with %s', (_, text) => {
    expect(() => fromCanonicalJson(utf8(text))).toThrow()
  })

  it.each([
    ['keys that look like numbers', '{"10":1,"2":2}'],
    ['a backslash before ud', '"\\\\ud800"'],
    ['a key of the prototype', '{"__proto__":{"a":1}}'],
    ['keys in the order of UTF-16', '{"\u{1f600}":1,"\ufffd":2}'],
  ])('is read with %s', (_, text) => {
    expect(toCanonicalJson(fromCanonicalJson(utf8(text)))).toEqual(utf8(text))
  })
})
