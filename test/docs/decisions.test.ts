import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../support/cli.ts'

const folder = join(root, 'docs/adr')
const pages = readdirSync(folder)
  .filter((name) => name !== 'README.md')
  .sort()
const index = readFileSync(join(folder, 'README.md'), 'utf8')
const rows = [...index.matchAll(/^\| \[(\d{4})\]\(([^)]+)\) +\| (.+?) +\|$/gm)]

describe('decisions', () => {
  it('are numbered without a gap', () => {
    const numbers = pages.map((_, n) => String(n + 1).padStart(4, '0'))
    expect(pages.map((name) => /^(\d{4})-[a-z0-9-]+\.md$/.exec(name)?.[1])).toEqual(numbers)
  })

  it('stand in the index, in order, each with a sentence', () => {
    expect(rows.map(([, number, page]) => `${number} ${page}`)).toEqual(
      pages.map((name) => `${name.slice(0, 4)} ${name}`),
    )
    expect(rows.every(([, , , about = '']) => about.length > 10)).toBe(true)
  })

  it.each(pages)('%s has a title, a status and what it concerns', (name) => {
    const text = readFileSync(join(folder, name), 'utf8')
    expect(text).toMatch(/^# \S.+\n\n(?:Date: \d{4}-\d{2}-\d{2}\. )?Status: \S.*Concerns /)
  })
})
