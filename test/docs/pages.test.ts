import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { reachedFrom, sourceFiles, sourceText } from '../../scripts/imports.mjs'
import { allChecks } from '../../src/audit/check-table.ts'
import { errorTable } from '../../src/lib/errors.ts'
import { built, root } from '../support/cli.ts'

const under = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join(folder, path))
const pages = [
  ...readdirSync(root).filter((path) => path.endsWith('.md')),
  ...under('docs'),
  ...under('ceremonies'),
].sort()
const text = (page: string): string => readFileSync(join(root, page), 'utf8')
const withoutBlocks = (page: string): string => text(page).replace(/^```.*?^```/gms, '')

/** What a link to a heading is called where pages are shown. */
const anchors = (page: string): readonly string[] =>
  [...withoutBlocks(page).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

/** Lines of code blocks, continued ones joined. */
const blockLines = (page: string): readonly string[] =>
  [...text(page).matchAll(/^```.*?\n(.*?)^```/gms)].flatMap(([, block = '']) =>
    block.replaceAll(/\\\n\s*/g, '').split('\n'),
  )

describe.each(pages)('%s', (page) => {
  it('links to what is there', () => {
    const links = [...withoutBlocks(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
    const broken = links.filter((target) => {
      if (/^[a-z]+:/.test(target)) return false
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : relative(root, join(root, dirname(page), path))
      if (!existsSync(join(root, file))) return true
      return anchor !== undefined && !anchors(file).includes(anchor)
    })
    expect(broken).toEqual([])
  })

  it('names files that are there', () => {
    const named = [...withoutBlocks(page).matchAll(/`((?:src|test|docs|bin|scripts|bench|ceremonies)\/[^`\s*]*)`/g)]
    expect(named.map(([, path = '']) => path).filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  it('names scripts and error codes that there are', () => {
    const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> }
    const unknown = [...text(page).matchAll(/npm run ([a-z-]+)/g)].map(([, name = '']) => name)
    const codes = [...text(page).matchAll(/(?<![A-Z_])E_[A-Z]+(?:_[A-Z]+)*(?![A-Z_])/g)].map(([code]) => code)
    expect(unknown.filter((name) => scripts[name] === undefined)).toEqual([])
    expect(codes.filter((code) => !Object.hasOwn(errorTable, code))).toEqual([])
  })
})

interface Manifest {
  readonly commands: Record<string, { readonly flags: Record<string, { readonly options?: readonly string[] }> }>
}
let manifest: Manifest
beforeAll(async () => {
  await built()
  manifest = JSON.parse(text('oclif.manifest.json')) as Manifest
})

/** What is wrong with one command line, as far as the manifest can tell. */
const wrong = (line: string): string | undefined => {
  const words = line.match(/"[^"]*"|'[^']*'|\S+/g) ?? []
  const name = words.findIndex((word) => word.startsWith('-') || /[|>;&]/.test(word))
  const path = words.slice(0, name === -1 ? undefined : name)
  const id = [path.slice(0, 2), path.slice(0, 1)]
    .map((part) => part.join(':'))
    .find((one) => manifest.commands[one] !== undefined)
  if (path.length === 0 || path[0] === 'help') return undefined
  const command = id === undefined ? undefined : manifest.commands[id]
  if (command === undefined) return `no command: ${line}`
  for (const [at, word] of words.entries()) {
    if (/^(?:[|;&]|&&)$/.test(word)) break
    if (!word.startsWith('--')) continue
    const [flag = '', value = words[at + 1]] = word.slice(2).split('=')
    if (flag === 'help') continue
    const known = command.flags[flag]
    if (known === undefined) return `no flag --${flag}: ${line}`
    if (known.options !== undefined && value !== undefined && !known.options.includes(value))
      return `no value ${value} of --${flag}: ${line}`
  }
  return undefined
}

describe('commands in the pages', () => {
  it.each(pages)('%s: exist, with their flags', (page) => {
    const lines = blockLines(page).flatMap((line) => {
      const [, rest] = /(?:^|[ (])(?:npx )?quorate ((?:[a-z]|--).*)$/.exec(line) ?? []
      return rest === undefined || line.startsWith('#') ? [] : [rest]
    })
    const inline = [...withoutBlocks(page).matchAll(/`quorate ((?:[a-z]|--)[^`]*)`/g)].map(([, rest = '']) => rest)
    expect([...lines, ...inline].flatMap((line) => wrong(line) ?? [])).toEqual([])
  })
})

describe('commands in scripts to copy', () => {
  it.each(['ceremonies/rotate/site.sh', 'ceremonies/rotate/workflow.yml'])('%s: exist, with their flags', (page) => {
    const lines = [...text(page).matchAll(/^(?: *run:)? *quorate (.+)$/gm)].map(([, rest = '']) => rest)
    expect(lines.length).toBeGreaterThan(1)
    expect(lines.flatMap((line) => wrong(line) ?? [])).toEqual([])
  })
})

describe('commands in errors and hints', () => {
  it('exist, with their flags', () => {
    const topics = new Set(Object.keys(manifest.commands).map((id) => id.split(':')[0]))
    const found = sourceFiles.flatMap((file) =>
      // The topic of a ceremony is put in; any other value is a word. Labels of hashes end in a version or an owner.
      [
        ...sourceText(file).matchAll(
          /quorate ((?:\$\{[\w.()]*(?:kind|topic)\}|[a-z]+) [a-z]+\b(?: (?:--[a-z-]+|\$\{[^}]*\}|[A-Z]+))*)(?! (?:[a-z]+ )?v\d| of )/g,
        ),
      ]
        .map(([, rest = '']) =>
          rest.replaceAll(/\$\{[\w.()]*(?:kind|topic)\}/g, 'keygen').replaceAll(/\$\{[^}]*\}/g, 'x'),
        )
        .filter((line) => topics.has(line.split(' ')[0] ?? ''))
        .map((line) => ({ file, line })),
    )
    expect(found.length).toBeGreaterThan(30)
    expect(found.flatMap(({ file, line }) => (wrong(line) === undefined ? [] : `${file}: ${wrong(line)}`))).toEqual([])
  })

  it.each(Object.entries(errorTable))('%s leads on', (_, { see }) => {
    const [page = '', anchor] = see.split('#')
    if (see.startsWith('quorate ')) return expect(wrong(see.slice('quorate '.length))).toBeUndefined()
    expect(pages).toContain(page)
    if (anchor !== undefined) expect(anchors(page)).toContain(anchor)
  })
})

describe('threat model', () => {
  const rows = text('docs/threat-model.md')
    .split('\n')
    .filter((line) => /^\| (?!promise|---)/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()))

  it('names for each promise an attack, a file, and a test or its absence', () => {
    expect(rows.length).toBeGreaterThan(40)
    const lacking = rows.filter(
      ([, promise, attack, file, test]) =>
        !promise ||
        !attack ||
        !/`(?:src|bin)\//.test(file ?? '') ||
        !/`(?:test\/[^`]+\.test\.ts|none yet)`/.test(test ?? ''),
    )
    expect(lacking).toEqual([])
  })

  it('names files that the tool loads when it runs', () => {
    const loaded = reachedFrom(['cli/main.ts', ...sourceFiles.filter((file) => file.startsWith('commands/'))])
    const isLoaded = (path: string): boolean =>
      [...loaded].some((file) => file === path || file.startsWith(`${path.replace(/\/$/, '')}/`))
    const held = rows.flatMap(([, , , file = '']) => [...file.matchAll(/`src\/([^`]+)`/g)].map(([, path = '']) => path))
    expect(held.length).toBeGreaterThan(40)
    expect(held.filter((path) => !isLoaded(path))).toEqual([])
    // A file of the right name that nothing loads would be found: this one exists for its types alone.
    expect(isLoaded('lib/ports.ts')).toBe(false)
    expect(isLoaded('audit/verify.ts')).toBe(true)
  })

  it('names checks that there are', () => {
    const ids = new Set<string>(allChecks.map(({ id }) => id))
    const named = rows.flatMap(([, , , file = '']) => [...file.matchAll(/[a-z]+\.[a-z-]+(?=[\],])/g)].map(([id]) => id))
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((id) => !ids.has(id))).toEqual([])
  })
})
