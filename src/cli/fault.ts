import { stripVTControlCharacters } from 'node:util'
import { type ErrorCode, QuorateError } from '../lib/errors.ts'
import { asciiJson } from '../lib/printable.ts'
import { say } from './term.ts'

/**
 * Whatever was thrown, as the one kind of error that people and scripts see. No word of the command line gets into it:
 * a value may be a secret that was typed in the wrong place.
 */
export const toFault = (error: unknown): QuorateError => legible(asFault(error))

const asFault = (error: unknown): QuorateError => {
  if (error instanceof QuorateError) return unwrapped(error)
  if (!(error instanceof Error)) return bug(error)
  if (isStopped(error)) return stopped()
  return parseFault(error) ?? systemFault(error) ?? bug(error)
}

/** A path may be as long as a command line: what nobody can read would push away what says why. */
const LONGEST = 1000

const shortened = (text: string): string => {
  if (text.length <= LONGEST) return text
  // By characters, so that none is cut in two.
  const characters = [...text]
  return `${characters.slice(0, 200).join('')} … ${characters.slice(-200).join('')}`
}

const legible = (fault: QuorateError): QuorateError => {
  const { code, message, hint, details } = fault
  if (message.length <= LONGEST && hint.length <= LONGEST) return fault
  return new QuorateError(code, shortened(message), shortened(hint), details, fault)
}

/** oclif writes its own words around the message of an error that a flag's `parse` throws. */
const WRAPPED = /^Parsing --(\S+) \n\t([\s\S]*)\nSee more help with --help$/

const unwrapped = (error: QuorateError): QuorateError => {
  const match = WRAPPED.exec(error.message)
  if (match === null) return error
  return new QuorateError(error.code, `--${match[1]}: ${match[2]}`, error.hint, error.details, error.cause)
}

export const stopped = (): QuorateError =>
  new QuorateError('E_STOPPED', 'stopped by the operator', 'run the same command again to go on')

const isStopped = (error: Error): boolean =>
  error.name === 'ExitPromptError' || error.name === 'AbortPromptError' || error.name === 'AbortError'

const bug = (cause: unknown): QuorateError =>
  new QuorateError(
    'E_BUG',
    `a fault in quorate itself (${cause instanceof Error ? cause.name : typeof cause})`,
    'run the same command with --verbose and report what it prints; nothing that was made durable is lost',
    {},
    cause,
  )

const usage = (message: string, hint = 'see the same command with --help; nothing happened'): QuorateError =>
  new QuorateError('E_USAGE', message, hint)

/** The parts that oclif keeps of a command line that it could not read. */
interface OclifError extends Error {
  readonly oclif?: unknown
  readonly parse?: {
    readonly input?: { readonly argv?: readonly string[]; readonly flags?: Readonly<Record<string, unknown>> }
    readonly output?: {
      readonly flags?: Readonly<Record<string, unknown>>
      readonly nonExistentFlags?: readonly string[]
    }
  }
}

const parseFault = (error: OclifError): QuorateError | undefined => {
  const own = WRAPPED.exec(error.message)
  if (own !== null) return usage(`--${own[1]} does not take this value`)
  if (error.oclif === undefined) return undefined
  const unknown = error.parse?.output?.nonExistentFlags?.[0]
  if (unknown !== undefined) return unknownFlag(unknown, Object.keys(error.parse?.input?.flags ?? {}))
  if (error.constructor.name === 'UnexpectedArgsError') return usage('a value stands where only flags are taken')
  const option = /^Expected --(\S+?)=[\s\S]* to be one of: (.*)/.exec(error.message)
  if (option !== null) return usage(`--${option[1]} takes one of ${option[2]}`)
  const missing = [...error.message.matchAll(/Missing required flag (\S+)/g)].map((match) => `--${match[1]}`)
  if (missing.length > 0) return usage(`missing ${missing.join(', ')}`)
  const flag = /^Flag (--\S+) (can only be specified once|expects .*)/.exec(error.message)
  if (flag !== null) return usage(`${flag[1]} ${flag[2]}`)
  const relation = withoutValues(error)
  if (relation !== undefined) return usage(relation)
  return usage('the flags do not fit together')
}

const unknownFlag = (typed: string, known: readonly string[]): QuorateError => {
  const name = typed.startsWith('--') ? (typed.split('=', 1)[0] ?? '') : typed.slice(0, 2)
  const near = nearest(name.replace(/^-+/, ''), known)
  return usage(
    /^--?[a-z][a-z-]*$/.test(name) ? `there is no flag ${name}` : 'there is no such flag',
    near === undefined ? undefined : `did you mean --${near}? nothing happened`,
  )
}

/** oclif's words about flags that exclude or need each other, without the values that it puts into them. */
const withoutValues = (error: OclifError): string | undefined => {
  let text = error.message
    .replace(/\n?See more help with --help$/, '')
    .split('\n')
    .slice(1)
    .join('; ')
  for (const [name, value] of Object.entries(error.parse?.output?.flags ?? {}))
    text = text.replaceAll(`--${name}=${String(value)}`, `--${name}`)
  text = stripVTControlCharacters(text).replace(/\s+/g, ' ').trim()
  return text === '' || /=/.test(text) ? undefined : text.charAt(0).toLowerCase() + text.slice(1)
}

const SYSTEM: Readonly<Record<string, readonly [ErrorCode, string, string]>> = {
  ENOENT: ['E_FILE', 'no such file or folder', 'check the path'],
  ENOTDIR: ['E_FILE', 'a part of the path is no folder', 'check the path'],
  ENAMETOOLONG: ['E_FILE', 'the path is too long', 'check the path'],
  ELOOP: ['E_FILE', 'symbolic links lead round in a circle', 'check the path'],
  ENXIO: ['E_FILE', 'this is a socket or a device, not a file', 'name a file'],
  ETXTBSY: ['E_FILE', 'a program runs from this file', 'name another file'],
  EFBIG: ['E_DISK', 'the file grows over a limit of this system', 'raise the limit, then run the same command again'],
  EMFILE: ['E_DISK', 'too many files are open', 'raise the limit (ulimit -n), then run the same command again'],
  ENFILE: ['E_DISK', 'too many files are open on this machine', 'wait, then run the same command again'],
  EISDIR: ['E_FILE', 'this is a folder, not a file', 'name a file'],
  EACCES: ['E_FILE', 'no permission', 'run as the user who owns it'],
  EPERM: ['E_FILE', 'not permitted', 'run as the user who owns it'],
  EEXIST: ['E_EXISTS', 'it exists already', 'name another file; nothing was overwritten'],
  ENOSPC: ['E_DISK', 'the disk is full', 'make room, then run the same command again'],
  EDQUOT: ['E_DISK', 'the quota is used up', 'make room, then run the same command again'],
  EROFS: ['E_DISK', 'the file system is read-only', 'make it writable, then run the same command again'],
  EIO: ['E_DISK', 'the disk failed', 'check the disk, then run the same command again'],
}

const systemFault = (error: NodeJS.ErrnoException): QuorateError | undefined => {
  const known = error.code === undefined || error.syscall === undefined ? undefined : SYSTEM[error.code]
  if (known === undefined) return undefined
  const [code, what, hint] = known
  return new QuorateError(code, error.path === undefined ? what : `${error.path}: ${what}`, hint, {}, error)
}

/** The known name that is at most two edits away. */
export const nearest = (typed: string, known: readonly string[]): string | undefined => {
  const scored = known.map((name) => [distance(typed, name), name] as const).sort((a, b) => a[0] - b[0])
  const best = scored[0]
  return best !== undefined && best[0] <= 2 && best[0] < typed.length ? best[1] : undefined
}

/** Levenshtein's, by rows. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++)
      next.push(Math.min((row[j] ?? 0) + (a[i] === b[j] ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    row = next
  }
  return row[b.length] ?? 0
}

const FAULT_COLUMNS = { text: 8, note: 61 }

const single = (text: string): string => text.replace(/\s*\n\s*/g, '; ')

/** Three lines at most; with `verbose` the stack of what caused it follows. */
export const sayFault = (fault: QuorateError, verbose: boolean): void => {
  const tone = fault.code === 'E_STOPPED' ? 'warn' : 'bad'
  say({ label: 'error', text: single(fault.message), tone }, FAULT_COLUMNS)
  say({ label: 'hint', text: single(fault.hint) }, FAULT_COLUMNS)
  say({ label: 'code', text: `${fault.code} (exit ${fault.exit})`, tone: 'dim' }, FAULT_COLUMNS)
  if (!verbose) return
  for (let cause: unknown = fault; cause instanceof Error; cause = cause.cause)
    for (const frame of (cause.stack ?? cause.message).split('\n')) say({ text: frame.trim(), tone: 'dim' })
}

/** A failure's fields in a JSON document. */
export const faultFields = (fault: QuorateError) => ({
  code: fault.code,
  exit: fault.exit,
  message: fault.message,
  hint: fault.hint,
  details: fault.details,
})

export const faultDocument = (schema: string, fault: QuorateError, warnings: readonly string[]): string =>
  `${asciiJson({ ok: false, schema, warnings, error: faultFields(fault) }, 2)}\n`
