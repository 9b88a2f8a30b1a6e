// docs/commands.md, docs/errors.md, docs/exit-codes.md and docs/records.md, from the manifest and the tables, and the
// pictures and the list of files of docs/architecture.md, from src. `--check` writes nothing and fails when one of them is
// not current.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildIfStale } from './build.mjs'
import { arrowsBetween, isInside, placeOf, shortened } from './floors.mjs'
import { folderOf, sourceFiles, sourceText } from './imports.mjs'
import { recordsPage } from './records-page.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const made = '<!-- made by `npm run docs`; edit the source instead -->'

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

const flagRow = ([name, flag]) => {
  const value = flag.type === 'boolean' ? '' : ` ${flag.helpValue ?? (flag.options ? '…' : 'VALUE')}`
  const facts = [
    flag.required && 'required',
    flag.multiple && 'more than once',
    flag.options && `one of ${flag.options.join(', ')}`,
    flag.default !== undefined && flag.default !== false && `default ${flag.default}`,
    flag.env && `env ${flag.env}`,
  ].filter(Boolean)
  return `| \`--${name}${value}\` | ${cell(flag.summary ?? '')} | ${cell(facts.join('; '))} |`
}

const flagTable = (flags) => ['| flag | | |', '| --- | --- | --- |', ...flags.map(flagRow)].join('\n')

const example = (text) => text.replaceAll('<%= config.bin %>', 'quorate').replaceAll(/<%= command.id %>/g, '')

const commandsPage = (commands) => {
  const all = Object.entries(commands)
  const globals = Object.entries(all[0][1].flags).filter(([, flag]) => flag.helpGroup === 'GLOBAL')
  const section = ([id, command]) => {
    const name = id.replaceAll(':', ' ')
    const own = Object.entries(command.flags).filter(([, flag]) => flag.helpGroup !== 'GLOBAL' && !flag.hidden)
    return [
      `## quorate ${name}`,
      `${command.summary}`,
      ...(command.description ? [command.description] : []),
      ...(own.length > 0 ? [flagTable(own.sort(([a], [b]) => (a < b ? -1 : 1)))] : []),
      `\`\`\`\n${(command.examples ?? []).map((line) => `$ ${example(line)}`).join('\n')}\n\`\`\``,
    ].join('\n\n')
  }
  return [
    made,
    '# Commands',
    'Every command takes flags only. stdout carries the result: text for people, or with `--json` exactly one document, also on failure. Everything else goes to stderr. Exit codes are in [exit-codes.md](exit-codes.md), error codes in [errors.md](errors.md).',
    `## Flags of every command\n\n${flagTable(globals)}`,
    ...all.map(section),
  ].join('\n\n')
}

const errorsPage = (table) =>
  [
    made,
    '# Errors',
    'An error is three lines on stderr: what is wrong, who does what next, and the code. With `--json` the same stands in the document under `error`.',
    [
      '| code | exit | what it says | leads on |',
      '| --- | --- | --- | --- |',
      ...Object.entries(table).map(
        ([code, { exit, doc, see }]) => `| \`${code}\` | ${exit} | ${cell(doc)} | ${way(see)} |`,
      ),
    ].join('\n'),
  ].join('\n\n')

/** A command as it is typed, or a link from docs/ to a page. */
const way = (see) =>
  see.startsWith('quorate ')
    ? `\`${see}\``
    : `[${see.replace(/#.*/, '')}](${see.startsWith('docs/') ? see.slice(5) : `../${see}`})`

const exitCodesPage = (codes, table) =>
  [
    made,
    '# Exit codes',
    'The same with and without `--json`.',
    [
      '| exit | what it says | errors |',
      '| --- | --- | --- |',
      ...codes.map(({ code, meaning }) => {
        const errors = Object.entries(table).filter(([, row]) => row.exit === code)
        return `| ${code} | ${cell(meaning)} | ${errors.map(([name]) => `\`${name}\``).join(' ')} |`
      }),
    ].join('\n'),
  ].join('\n\n')

const box = (name) => name.replace(/\/$/, '').replace(/[^a-z]/g, '_')
const graph = (arrows) =>
  [
    '```mermaid',
    'graph TD',
    ...shortened(arrows).map(([from, to]) => `  ${box(from)}["${from}"] --> ${box(to)}["${to}"]`),
    '```',
  ].join('\n')

const EXPORT = /^export (?:default )?(?:abstract )?(?:async )?(?:const|function|class|interface|type) (\w+)/gm
const exportsOf = (file) => [...sourceText(file).matchAll(EXPORT)].map(([, name]) => `\`${name}\``)
/** A list a room: each file, and the names that it exports. Commands are named by their path. */
const fileLists = () => {
  const roomOf = (file) => posix.dirname(file)
  const rooms = [...new Set(sourceFiles.map(roomOf))].sort()
  const line = (file) => [`- \`${posix.basename(file)}\``, exportsOf(file).join(', ')].filter(Boolean).join(': ')
  const list = (room) => sourceFiles.filter((file) => roomOf(file) === room).map(line)
  return rooms.flatMap((room) => [`### src/${room}`, '', ...list(room), '']).join('\n')
}

const pictures = {
  files: fileLists,
  src: () => graph(arrowsBetween((file) => `${folderOf(file)}/`)),
  ceremony: () => graph(arrowsBetween(placeOf, isInside)),
}
/** The page with its pictures and its list drawn anew, each between its two marks. */
const drawn = (path) =>
  readFileSync(join(root, path), 'utf8')
    .trimEnd()
    .replace(/(<!-- picture (\w+)[^\n]*-->\n)(?:(?!<!--).)*(<!-- end of picture -->)/gs, (_, before, name, after) =>
      [before, pictures[name](), after].join('\n'),
    )

await buildIfStale()
const { commands } = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'))
const { errorTable } = await import('../dist/lib/errors.js')
const { exitCodes } = await import('../dist/cli/exit-codes.js')
const { recordTable } = await import('../dist/records/record-table.js')
const { versionsOf } = await import('../dist/records/codec.js')
const pages = {
  'docs/commands.md': commandsPage(commands),
  'docs/errors.md': errorsPage(errorTable),
  'docs/exit-codes.md': exitCodesPage(exitCodes, errorTable),
  'docs/records.md': `${made}\n\n${recordsPage(recordTable, versionsOf)}`,
  'docs/architecture.md': drawn('docs/architecture.md'),
}
const stale = Object.entries(pages).filter(([path, text]) => {
  const file = join(root, path)
  return !existsSync(file) || readFileSync(file, 'utf8') !== `${text}\n`
})
if (process.argv.includes('--check')) {
  for (const [path] of stale) console.error(`error   ${path} is not current\nhint    npm run docs`)
  process.exitCode = stale.length > 0 ? 1 : 0
} else for (const [path, text] of stale) writeFileSync(join(root, path), `${text}\n`)
