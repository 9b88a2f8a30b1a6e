import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contentLines, formOf } from '../../src/cli/render/content.ts'
import { utf8 } from '../../src/lib/bytes.ts'

const texts = (content: Uint8Array): readonly string[] => contentLines(content).map(({ text }) => text)

test('text is shown line by line, without a line for its last end', () => {
  expect(texts(utf8('one\ntwo\r\n\nfour\n'))).toEqual(['│ one', '│ two', '│ ', '│ four'])
  expect(texts(utf8('one'))).toEqual(['│ one'])
})

test.each([
  [[], 'empty'],
  [[0x61], 'text'],
  [[0x61, 9, 13, 10], 'text'],
  [[0x61, 0], 'binary'],
  [[0x1b, 0x5b], 'binary'],
  [[0xc3, 0xa4], 'text'],
  [[0xc3], 'binary'],
  [[0xed, 0xa0, 0x80], 'binary'],
])('%j is %s', (bytes, form) => {
  expect(formOf(Uint8Array.from(bytes as number[]))).toBe(form)
})

test('bytes are shown as hex, 16 a line', () => {
  expect(texts(Uint8Array.from([0, 0x41, 0x20, 0xff]))).toEqual([`│ 004120ff${' '.repeat(24)}  .A..`])
  expect(texts(new Uint8Array(33))).toHaveLength(3)
})

test('nothing of an empty content', () => {
  expect(texts(new Uint8Array())).toEqual([])
})

test('twenty lines or one KiB, and it says that more follows', () => {
  const follows = 'more follows: look at the whole before you decide'
  expect(texts(utf8('a\n'.repeat(20)))).not.toContain(follows)
  expect(texts(utf8('a\n'.repeat(21))).slice(-1)).toEqual([follows])
  expect(texts(utf8('a\n'.repeat(21)))).toHaveLength(21)
  expect(texts(utf8('a'.repeat(1024))).slice(-1)).not.toEqual([follows])
  expect(texts(utf8('a'.repeat(1025))).slice(-1)).toEqual([follows])
  expect(texts(new Uint8Array(320))).toHaveLength(20)
  expect(texts(new Uint8Array(321)).slice(-1)).toEqual([follows])
})

test('a character that the cut goes through is left out, not shown as another', () => {
  const lines = texts(utf8(`${'ab\n'.repeat(3)}${'a'.repeat(1014)}ä`))
  expect(lines.join('')).not.toContain('\ufffd')
})

test('whatever it is, each row fits behind its bar', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 3000 }), fc.string({ unit: 'binary' }).map(utf8)), (content) => {
      const lines = contentLines(content)
      expect(lines.length).toBeLessThanOrEqual(21)
      for (const { text, tone, label } of lines) {
        expect(label).toBeUndefined()
        if (tone === 'warn') continue
        expect(text.startsWith('│ ')).toBe(true)
        expect(text.slice(2)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
        expect(text.length).toBeLessThanOrEqual(66)
      }
    }),
    { numRuns: 200 },
  )
})
