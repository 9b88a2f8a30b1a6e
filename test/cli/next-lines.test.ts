import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sourceFiles, sourceText } from '../../scripts/imports.mjs'
import { shellWord } from '../../src/cli/text.ts'

/** A line that says what to run next is pasted into a shell. */

test('a file name comes back from a shell as it was', () => {
  const names = fc.array(
    fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => !name.includes('\0')),
    {
      minLength: 1,
      maxLength: 20,
    },
  )
  fc.assert(
    fc.property(names, (all) => {
      const words = ["it's here", 'a b', '$HOME', '`id`', '-', 'ä\nb', ...all]
      const said = execFileSync('sh', ['-c', `printf '%s\\0' ${words.map(shellWord).join(' ')}`], { encoding: 'utf8' })
      expect(said.split('\0').slice(0, -1)).toEqual(words)
    }),
    { numRuns: 20 },
  )
})

test('every command that is shown with a file has it as a word of a shell', () => {
  const found = sourceFiles.flatMap((file) =>
    [...sourceText(file).matchAll(/quorate [^`'\n]*--(?:bundle|definition|trust|home|message|out) \$\{(\w+)/g)].map(
      ([, call]) => `${file}: ${call}`,
    ),
  )
  expect(found.filter((one) => !/: (?:shellWord|word)$/.test(one))).toEqual([])
  expect(found.length).toBeGreaterThan(3)
})
