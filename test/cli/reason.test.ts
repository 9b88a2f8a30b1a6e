import { describe, expect, test } from 'vitest'
import { reasonGiven } from '../../src/site/abort-reason.ts'

const refused = (text: string): unknown => {
  try {
    return reasonGiven(text)
  } catch (error) {
    return (error as { code?: string }).code
  }
}

describe('the reason of an abort', () => {
  test.each([
    ['wrong payee', 'wrong payee'],
    ['cafe\u0301', 'caf\u00e9'],
    ['\u{1f44d}', '\u{1f44d}'],
    ['x'.repeat(280), 'x'.repeat(280)],
  ])('%j goes into the note', (text, spelled) => {
    expect(refused(text)).toBe(spelled)
  })

  test.each(['', 'x'.repeat(281), 'a\tb', 'a\nb', '\u{1f468}\u200d\u{1f469}', '\u202e', '\ud800', '\ufeffbom'])(
    '%j is a usage fault',
    (text) => {
      expect(refused(text)).toBe('E_USAGE')
    },
  )
})
