import { expect, test } from 'vitest'
import { sourceFiles, sourceText } from '../../scripts/imports.mjs'

/** Comments of a file, each on one line without its marks. */
const commentsOf = (text: string): readonly string[] =>
  [...text.matchAll(/\/\*\*[\s\S]*?\*\/|(?:^[ \t]*\/\/.*\n)+|\/\/.*$/gm)].map(([comment]) =>
    comment
      .replace(/^\/\*\*|\*\/$/g, '')
      .replace(/^\s*(?:\*|\/\/)/gm, '')
      .replace(/\s+/g, ' ')
      .trim(),
  )

/** A sentence that begins so has to be read to its end before it is known what it is about. */
const CLAUSE = /(?:^|[.:;!?]\s+)(?:What|Whose|Who|Whether)\s/
const clausesIn = (text: string): readonly string[] => commentsOf(text).filter((comment) => CLAUSE.test(comment))

test('comments begin with the thing that they are about', () => {
  const found = sourceFiles.flatMap((file) => clausesIn(sourceText(file)).map((comment) => `${file}: ${comment}`))
  expect(found).toEqual([])
})

test.each([
  ['/** Whether it holds. */', 1],
  ['/**\n * Returns it.\n * Throws E_X. What it is,\n * nobody knows.\n */', 1],
  ['  // Who is here, sits.\n', 1],
  ['/** Returns what is there, and who made it. */', 0],
  ["const text = 'What is this?'", 0],
])('%j has %i', (text, count) => {
  expect(clausesIn(text)).toHaveLength(count)
})
