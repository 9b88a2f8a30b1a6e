import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folderOf, sourceFiles, sourceText } from '../../scripts/imports.mjs'
import { root } from '../support/cli.ts'

const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
const section = (heading: string): string => page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
const firstCells = (heading: string): readonly string[] =>
  [...section(heading).matchAll(/^\| ([^|]+?) +\|/gm)].map(([, cell = '']) => cell.replaceAll('`', '')).slice(2)

/** A file with names of it in brackets: `src/lib/secret.ts` (`Secret`). */
const NAMED = /`src\/([\w./-]+\.ts)` \(((?:`\w+`(?:, )?)+)\)/g

describe('the architecture page', () => {
  it('names functions and types where they are', () => {
    const named = [...page.matchAll(NAMED)].flatMap(([, file = '', list = '']) =>
      [...list.matchAll(/`(\w+)`/g)].map(([, name = '']) => ({ file, name })),
    )
    expect(named.length).toBeGreaterThan(50)
    const strays = named.filter(
      ({ file, name }) =>
        !new RegExp(
          `^(?:export )?(?:abstract )?(?:async )?(?:const|class|interface|type|function) ${name}\\b`,
          'm',
        ).test(sourceText(file)),
    )
    expect(strays).toEqual([])
  })

  it('has a row for every room, and no other', () => {
    expect([...firstCells('The rooms')].sort()).toEqual([
      ...new Set(sourceFiles.map((file) => `src/${folderOf(file)}`)),
    ])
  })

  it('has a row for every room of a ceremony, and no other', () => {
    const folders = sourceFiles.filter((file) => /^ceremony\/.*\//.test(file)).map((file) => file.split('/')[1])
    expect([...firstCells('The rooms of a ceremony')].sort()).toEqual(
      [...new Set(folders)].map((folder) => `src/ceremony/${folder}`),
    )
  })

  it('has pictures', () => {
    expect([...page.matchAll(/^```mermaid\ngraph TD\n( {2}.+\n){10,}```$/gm)]).toHaveLength(2)
  })
})

describe('the words', () => {
  const words = firstCells('Words')
  const others = [
    ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md'],
    ...readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md') && name !== 'architecture.md')
      .map((name) => join('docs', name)),
  ].map((name) => readFileSync(join(root, name), 'utf8'))

  it('stand in order, each once', () => {
    expect(words).toEqual([...new Set(words)].sort())
  })

  it.each(
    'share shard home room record epoch ledger barrier t n site approver definition authority attempt session seat spare bundle undecided'.split(
      ' ',
    ),
  )('%s is explained', (word) => {
    expect(words).toContain(word)
  })

  it('are used in the pages or in the code', () => {
    const texts = [...others, ...sourceFiles.map(sourceText)]
    const used = (word: string) => texts.some((text) => new RegExp(`\\b${word}s?\\b`, 'i').test(text))
    expect(words.filter((word) => !used(word))).toEqual([])
  })
})
