/**
 * All that reaches a terminal goes through this file. The rules:
 *
 * - stdout carries the result and nothing else; everything else goes to stderr.
 * - One thought a line: a label, the thought, at most one remark. Lower case, no full stop.
 * - Text is escaped here, at the last moment: no control bytes and no bidi reach a terminal, whoever wrote them.
 * - Colour only underlines what the words already say. It is off with NO_COLOR, TERM=dumb, and where the stream is no
 *   terminal; each stream decides for itself.
 * - Nothing is redrawn and no pager opens: what stands on the screen can be filmed, piped and read out.
 */
import { stripVTControlCharacters } from 'node:util'
import { Chalk, type ChalkInstance, supportsColor, supportsColorStderr } from 'chalk'
import { asciiJson, printable } from '../lib/printable.ts'

export type Tone = 'plain' | 'dim' | 'good' | 'bad' | 'warn' | 'strong'

/** One line: `label` in the first column, `text` in the second, `note` in a third that the caller places. */
export interface Line {
  readonly label?: string
  readonly text: string
  readonly tone?: Tone
  readonly note?: string
  readonly noteTone?: Tone
}
/** The result of a renderer; an empty string is an empty line. */
export type Lines = readonly (Line | '')[]

/** Where the text and the remark begin, unless what stands before is longer. */
export interface Columns {
  readonly text: number
  readonly note: number
}
const COLUMNS: Columns = { text: 12, note: 61 }

const instance = (support: { readonly level: number } | false): ChalkInstance =>
  new Chalk({ level: (process.env['NO_COLOR'] || !support ? 0 : support.level) as 0 | 1 | 2 | 3 })

const painters = { out: instance(supportsColor), err: instance(supportsColorStderr) }

const paint = (chalk: ChalkInstance, tone: Tone, text: string): string => {
  switch (tone) {
    case 'dim':
      return chalk.dim(text)
    case 'good':
      return chalk.green(text)
    case 'bad':
      return chalk.red(text)
    case 'warn':
      return chalk.yellow(text)
    case 'strong':
      return chalk.bold(text)
    default:
      return text
  }
}

const pad = (text: string, width: number): string => (text.length < width ? text.padEnd(width) : `${text}  `)

const layout = (chalk: ChalkInstance, line: Line | '', columns: Columns): string => {
  if (line === '') return ''
  const label = pad(printable(line.label ?? ''), columns.text)
  const text = printable(line.text)
  const painted = `${paint(chalk, 'dim', label)}${paint(chalk, line.tone ?? 'plain', text)}`
  if (line.note === undefined || line.note === '') return line.text === '' ? painted.trimEnd() : painted
  const gap = ' '.repeat(Math.max(2, columns.note - label.length - text.length))
  return `${painted}${gap}${paint(chalk, line.noteTone ?? 'dim', printable(line.note))}`
}

/** Lines as text for stdout; ends in a newline. */
export const forStdout = (lines: Lines, columns = COLUMNS): string =>
  lines.map((line) => `${layout(painters.out, line, columns)}\n`).join('')

/** One line for stderr, escaped and aligned like all others. */
export const say = (line: Line | '', columns = COLUMNS): void => {
  process.stderr.write(`${layout(painters.err, line, columns)}\n`)
}

/** One event as a line of JSON on stderr. */
export const asciiEvent = (event: object): void => {
  process.stderr.write(`${asciiJson({ at: new Date().toISOString(), ...event })}\n`)
}

/** Text that this program made itself, such as help, without the colours that stdout does not take. */
export const plainUnlessColour = (text: string): string =>
  painters.out.level === 0 ? stripVTControlCharacters(text) : text

/** Resolves when the stream took the text; a reader that went away (`| head`) is no error. */
export const write = (stream: NodeJS.WriteStream, text: string | Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (error && (error as NodeJS.ErrnoException).code !== 'EPIPE') reject(error)
      else resolve()
    })
  })

/** Both ends of a question: without them nothing may be asked. */
export const isInteractive = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true
