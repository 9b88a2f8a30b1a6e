import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { progressLine } from '../../src/cli/progress.ts'
import { forStdout } from '../../src/cli/term.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { asciiJson, printable } from '../../src/lib/printable.ts'

describe('text from outside', () => {
  test.each([
    ['\x1b[2J', '\\u{1b}[2J'],
    ['a\r\nb', 'a\\u{d}\\u{a}b'],
    ['\u202etxt.exe', '\\u{202e}txt.exe'],
    ['zero\u200bwidth\ufeff', 'zero\\u{200b}width\\u{feff}'],
    ['\x9b31m', '\\u{9b}31m'],
    ['\ud800', '\\u{d800}'],
    ['Zürich 東京', 'Zürich 東京'],
  ])('%j is printed as %j', (text, shown) => {
    expect(printable(text)).toBe(shown)
  })

  test('nothing that a terminal acts on passes, in any field', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        (a, b, c) => {
          const text = forStdout([{ label: a, text: b, note: c }])
          expect(text.endsWith('\n')).toBe(true)
          expect(text.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
        },
      ),
    )
  })

  test('JSON stays the same value in printable ASCII', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = asciiJson(value, 2)
        expect(text).toMatch(/^[\n\x20-\x7e]*$/)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})

describe('columns', () => {
  test('the same thing stands in the same column', () => {
    const text = forStdout([
      { label: 'quorum', text: '2 of 3', note: 'any two sign' },
      '',
      { label: 'attestation', text: 'none' },
      { text: 'x'.repeat(60), note: 'after' },
      { label: 'empty', text: '' },
    ])
    expect(text.split('\n')).toEqual([
      `quorum      2 of 3${' '.repeat(43)}any two sign`,
      '',
      'attestation none',
      `${' '.repeat(12)}${'x'.repeat(60)}  after`,
      'empty',
      '',
    ])
  })

  test('progress names who is waited for', () => {
    const waiting = ['us', 'ap'] as SiteId[]
    expect(progressLine({ phase: 'round', round: 'shares', place: 2, of: 3, got: 1, total: 3, waiting })).toEqual({
      label: 'round 2/3',
      text: 'shares       1 of 3',
      note: 'waiting: us, ap',
    })
  })
})
