import { expect, test } from 'vitest'
import { sourceFiles, sourceText } from '../../scripts/imports.mjs'

const MOST = 350

/** The reason stands in a comment before the first line of code that is no import. */
const reasoned = (text: string): boolean =>
  /\bOver 350 lines\b/.test(text.slice(0, text.search(/^(?:export |const |interface |class |type )/m)))

const long = sourceFiles.filter((file) => sourceText(file).trimEnd().split('\n').length > MOST)

test(`a file of more than ${MOST} lines says why it is one file`, () => {
  expect(long.filter((file) => !reasoned(sourceText(file)))).toEqual([])
})

test('and a file that was split says it no more', () => {
  expect(sourceFiles.filter((file) => reasoned(sourceText(file)) && !long.includes(file))).toEqual([])
})

test('a reason is seen', () => {
  expect(reasoned("import a from 'a'\n\n/** Over 350 lines: one story. */\n\nconst b = 1\n")).toBe(true)
  expect(reasoned("import a from 'a'\n\nconst b = 1\n/** Over 350 lines: one story. */\n")).toBe(false)
})
