import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Config } from '@oclif/core'
import { QuorateError } from '../lib/errors.ts'
import { asciiJson } from '../lib/printable.ts'
import type { QuorateCommand, Shown } from './base-command.ts'
import { faultDocument, faultFields, nearest, sayFault, stopped, toFault } from './fault.ts'
import { endWithDemo, handleSignals } from './signals.ts'
import { forStdout, plainUnlessColour, write } from './term.ts'

/** The command line before `--`, also where the rest cannot be parsed. */
const has = (argv: readonly string[], flag: string): boolean => {
  const end = argv.indexOf('--')
  return (end === -1 ? argv : argv.slice(0, end)).includes(flag)
}

const schemaOf = (id: string): string => `quorate/${id.replaceAll(':', '-')}/v1`

/** The command that the leading words name, and what follows it; a topic or nothing where they name no command. */
const resolve = (config: Config, argv: readonly string[]): { id: string | undefined; words: number } => {
  const end = argv.findIndex((word) => word.startsWith('-'))
  const leading = end === -1 ? argv : argv.slice(0, end)
  for (let words = leading.length; words > 0; words--) {
    const id = leading.slice(0, words).join(':')
    if (config.commandIDs.includes(id)) return { id, words }
  }
  return { id: undefined, words: leading.length }
}

const noCommand = (config: Config, argv: readonly string[]): QuorateError => {
  const words = argv
    .filter((word) => !word.startsWith('-'))
    .slice(0, 2)
    .join(' ')
  const near = nearest(
    words,
    config.commandIDs.map((id) => id.replaceAll(':', ' ')),
  )
  return new QuorateError(
    'E_USAGE',
    argv[0]?.startsWith('-') ? 'the command comes first, then its flags' : 'there is no such command',
    near === undefined ? 'quorate help lists all commands' : `did you mean: quorate ${near}`,
  )
}

/** Text to print, and the exit code that goes with it. */
interface Ending {
  readonly stdout: string | Uint8Array
  readonly fault: QuorateError | undefined
  readonly serve?: (() => Promise<void>) | undefined
}

const ending = (id: string, shown: Shown, warnings: readonly string[], json: boolean): Ending => {
  if (json) {
    const document = {
      ok: shown.fault === undefined,
      schema: schemaOf(id),
      ...shown.result,
      warnings,
      ...(shown.fault === undefined ? {} : { error: faultFields(shown.fault) }),
    }
    return { stdout: `${asciiJson(document, 2)}\n`, fault: shown.fault, serve: shown.serve }
  }
  const raw = typeof shown.text === 'string' || shown.text instanceof Uint8Array
  const stdout = raw ? shown.text : forStdout(shown.text, shown.columns)
  return { stdout, fault: shown.fault, serve: shown.serve }
}

const textEnding = (id: string, fields: Readonly<Record<string, string>>, text: string, json: boolean): Ending => ({
  stdout: json ? `${asciiJson({ ok: true, schema: schemaOf(id), ...fields, warnings: [] }, 2)}\n` : text,
  fault: undefined,
})

const version = async (root: string, json: boolean): Promise<Ending> => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  return textEnding('version', { version, node: process.version }, `quorate ${version} node ${process.version}\n`, json)
}

/** Everything known so far, for whoever has to end the process early. */
interface Course {
  schema: string
  warnings: readonly string[]
}

const run = async (argv: readonly string[], config: Config, json: boolean, course: Course): Promise<Ending> => {
  const { id, words } = resolve(config, argv)
  const topic = argv.slice(0, words).join(':')
  const isTopic = id === undefined && config.findTopic(topic) !== undefined
  if ((has(argv, '--help') && (id !== undefined || words === 0)) || argv.length === 0 || isTopic) {
    const { helpText } = await import('./help.ts')
    const text = plainUnlessColour(await helpText(config, id ?? topic))
    return textEnding('help', { text }, text, json)
  }
  if (id === undefined) throw noCommand(config, argv)
  course.schema = schemaOf(id)
  const Class = (await config.findCommand(id, { must: true }).load()) as unknown as CommandClass
  const command = new Class(argv.slice(words), config)
  course.warnings = command.warnings
  return ending(id, await command.run(), command.warnings, json)
}

type CommandClass = new (argv: string[], config: Config) => QuorateCommand

const unwritten = (error: unknown): QuorateError =>
  new QuorateError(
    'E_DISK',
    'the result could not be written to stdout',
    'what was done is done: make room, then look at it with status, keys or audit show',
    {},
    error,
  )

/**
 * A container's user is often in no user database. oclif asks it for what these do not say, and fails: empty, they say that
 * there is nothing.
 */
const withoutUser = (): void => {
  try {
    userInfo()
  } catch {
    for (const name of ['HOME', 'SHELL']) process.env[name] ??= ''
  }
}

/** Plugins of the user are never loaded: their code would run beside the shares. */
const loadConfig = async (root: string): Promise<Config> => {
  withoutUser()
  const { Config } = await import('@oclif/core')
  return Config.load({ root, userPlugins: false, devPlugins: false, jitPlugins: false })
}

/**
 * Runs one command line to its end, prints, and ends the process. Exit codes are the same with and without --json; with
 * it stdout holds one document, whatever happens.
 */
export const main = async (argv: readonly string[], root: string): Promise<void> => {
  const json = has(argv, '--json')
  const verbose = has(argv, '--verbose')
  const course: Course = { schema: 'quorate/error/v1', warnings: [] }
  let ended = false
  let printed = false
  const finish = async ({ stdout, fault, serve }: Ending): Promise<void> => {
    if (ended) return
    ended = serve === undefined
    const unread = printed ? undefined : await write(process.stdout, stdout).then(() => undefined, unwritten)
    printed = true
    if (serve !== undefined) {
      await serve()
      ended = true
    }
    const told = fault ?? unread
    if (told !== undefined) sayFault(told, verbose)
    await write(process.stderr, '').catch(() => undefined)
    process.exit(told?.exit ?? 0)
  }
  const fail = (error: unknown): Promise<void> => {
    const fault = toFault(error)
    return finish({ stdout: json ? faultDocument(course.schema, fault, course.warnings) : '', fault })
  }
  // A ceremony goes on when whoever read its progress is gone.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  handleSignals(() => void fail(stopped()))
  endWithDemo()
  process.on('uncaughtException', (error) => void fail(error))
  try {
    if (argv[0] === '--version') await finish(await version(root, json))
    else await finish(await run(argv, await loadConfig(root), json, course))
  } catch (error) {
    await fail(error)
  }
}
