import { AsyncLocalStorage } from 'node:async_hooks'
import { readdirSync } from 'node:fs'
import { Config } from '@oclif/core'
import type { QuorateCommand, Shown } from '../../src/cli/base-command.ts'
import { faultDocument, sayFault, toFault } from '../../src/cli/fault.ts'
import { forStdout } from '../../src/cli/term.ts'
import type { QuorateError } from '../../src/lib/errors.ts'
import { built, root } from '../support/cli.ts'

/** Command lines run in this process: one of its own costs half a second, and a matrix has thousands. */

export interface Flag {
  readonly type: 'boolean' | 'option'
  readonly required?: boolean
  readonly multiple?: boolean
  /** What its value is, in one word, as the help says it. */
  readonly helpValue?: string
  readonly options?: readonly string[]
  readonly exclusive?: readonly string[]
  readonly exactlyOne?: readonly string[]
  readonly dependsOn?: readonly string[]
}

interface CommandClass {
  new (argv: string[], config: Config): QuorateCommand
  readonly flags?: Readonly<Record<string, Flag>>
  readonly baseFlags?: Readonly<Record<string, Flag>>
  readonly args?: Readonly<Record<string, unknown>>
}

export interface Command {
  /** As it is typed: `keygen join`. */
  readonly id: string
  readonly flags: Readonly<Record<string, Flag>>
  readonly takesWords: boolean
  readonly Class: CommandClass
}

const folder = `${root}src/commands`

/** Every command that there is: a file in src/commands. */
export const commands: readonly Command[] = await Promise.all(
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .sort()
    .map(async (file) => {
      const { default: Class } = (await import(/* @vite-ignore */ `${folder}/${file}`)) as { default: CommandClass }
      return {
        id: file.replace(/\.ts$/, '').replaceAll('/', ' '),
        flags: { ...Class.baseFlags, ...Class.flags },
        takesWords: Object.keys(Class.args ?? {}).length > 0,
        Class,
      }
    }),
)

/** Lines run beside each other, and each says its own. */
const saying = new AsyncLocalStorage<(text: string) => void>()
const write = process.stderr.write.bind(process.stderr)
process.stderr.write = ((...given: Parameters<typeof write>) => {
  const say = saying.getStore()
  if (say === undefined) return write(...given)
  say(String(given[0]))
  return true
}) as typeof write

let config: Promise<Config> | undefined
const loadConfig = async (): Promise<Config> => {
  await built()
  return Config.load({ root, userPlugins: false, devPlugins: false, jitPlugins: false })
}

export interface Ended {
  readonly exit: number
  readonly fault: QuorateError | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface LineOptions {
  /** Its operator's Ctrl-C. */
  readonly stop?: AbortSignal
  /** Called with each line of stderr. */
  readonly told?: (line: string) => void
}

const stdoutOf = (shown: Shown): string =>
  typeof shown.text === 'string' || shown.text instanceof Uint8Array
    ? Buffer.from(shown.text).toString()
    : forStdout(shown.text, shown.columns)

/** Runs `quorate ID ARGV` as `main` would. */
export const runLine = async (id: string, argv: readonly string[], options: LineOptions = {}): Promise<Ended> => {
  config ??= loadConfig()
  const command = commands.find((one) => one.id === id)
  if (command === undefined) throw new Error(`no command ${id}`)
  const running = new command.Class([...argv], await config)
  const stop = options.stop ?? new AbortController().signal
  Object.assign(running, { stop: () => stop })
  const stderr: string[] = []
  const say = (text: string): void => {
    stderr.push(text)
    options.told?.(text)
  }
  const end = (stdout: string, fault: QuorateError | undefined): Ended => {
    if (fault !== undefined) sayFault(fault, false)
    return { exit: fault?.exit ?? 0, fault, stdout, stderr: stderr.join('') }
  }
  return saying.run(say, async () => {
    try {
      const shown = await running.run()
      await shown.serve?.()
      return end(stdoutOf(shown), shown.fault)
    } catch (error) {
      const fault = toFault(error)
      return end(faultDocument('quorate/error/v1', fault, running.warnings), fault)
    }
  })
}
