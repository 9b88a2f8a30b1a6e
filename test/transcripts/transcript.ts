/**
 * A transcript is what somebody types and what must come back, in one file:
 *
 *   # a comment
 *   file NAME                 writes a file; its lines follow, indented by two
 *   save NAME                 stdout of the next command goes into this file, too
 *   $ [NAME=value …] quorate ARGS [< FILE]
 *     exit 2                  required
 *     out TEXT                the next line of stdout; … stands for any text, alone for any lines
 *     err TEXT                the next line of stderr
 *     json PATH VALUE         stdout is one JSON document with this value (… for any) at a dotted path
 *     gone PATH               no such file afterwards
 *     made PATH [MODE]        there is, with these permissions
 *
 * Streams without a line of their own must be empty, but for stdout where `json` reads it. $WORK is the folder it runs in.
 */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { quorate, type Ran } from '../support/cli.ts'

interface Step {
  readonly line: number
  readonly head: string
  readonly body: readonly { readonly line: number; readonly text: string }[]
}

const steps = (text: string): readonly Step[] => {
  const found: { line: number; head: string; body: { line: number; text: string }[] }[] = []
  for (const [i, line] of text.split('\n').entries()) {
    if (line.startsWith('#') || (line.trim() === '' && found.at(-1)?.head.startsWith('file ') !== true)) continue
    if (line.startsWith('  ') || line === '') found.at(-1)?.body.push({ line: i + 1, text: line.slice(2) })
    else found.push({ line: i + 1, head: line, body: [] })
  }
  return found
}

const words = (text: string): string[] =>
  [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')

const pattern = (text: string): RegExp =>
  new RegExp(
    `^${text
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('[^\\n]*')}$`,
  )

const matches = (expected: readonly string[], actual: readonly string[]): boolean => {
  const [first, ...rest] = expected
  if (first === undefined) return actual.length === 0
  if (first === '…') return actual.some((_, i) => matches(rest, actual.slice(i))) || matches(rest, [])
  const [line, ...more] = actual
  return line !== undefined && pattern(first).test(line) && matches(rest, more)
}

const at = (document: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document)

const lines = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'))

const check = (ran: Ran, step: Step, work: string): void => {
  const where = (line: number): string =>
    `line ${line}: ${step.head}\n--- stdout\n${ran.stdout}--- stderr\n${ran.stderr}---`
  const of = (verb: string) =>
    step.body
      .map(({ line, text }) => ({ line, text: text.replaceAll('$WORK', work) }))
      .filter(({ text }) => text === verb || text.startsWith(`${verb} `))
      .map(({ line, text }) => ({ line, text: text.slice(verb.length + 1) }))
  for (const { line, text } of step.body)
    if (!/^(?:exit|out|err|json|gone|made)(?: |$)/.test(text)) throw new Error(`line ${line}: unknown check ${text}`)
  const exit = of('exit')[0]
  if (exit === undefined) throw new Error(`line ${step.line}: no exit`)
  expect(ran.code, where(exit.line)).toBe(Number(exit.text))
  const json = of('json')
  const out = of('out').map(({ text }) => text)
  if (json.length === 0) expect(matches(out, lines(ran.stdout)) || out, where(step.line)).toBe(true)
  for (const { line, text } of json) {
    const [path = '', ...value] = text.split(' ')
    const found = at(JSON.parse(ran.stdout), path)
    if (value.join(' ') === '…') expect(found, where(line)).toBeDefined()
    else expect(found, where(line)).toEqual(JSON.parse(value.join(' ')))
  }
  const err = of('err').map(({ text }) => text)
  expect(matches(err, lines(ran.stderr)) || err, where(step.line)).toBe(true)
  for (const { line, text } of of('gone')) expect(existsSync(join(work, text)), where(line)).toBe(false)
  for (const { line, text } of of('made')) {
    const [path = '', mode] = text.split(' ')
    expect(existsSync(join(work, path)), where(line)).toBe(true)
    if (mode !== undefined) expect((statSync(join(work, path)).mode & 0o777).toString(8), where(line)).toBe(mode)
  }
}

/** Runs one transcript in an empty folder. */
export const replay = async (text: string, work: string): Promise<void> => {
  let save: string | undefined
  for (const step of steps(text)) {
    if (step.head.startsWith('save ')) {
      save = step.head.slice(5)
      continue
    }
    if (step.head.startsWith('file ')) {
      const path = join(work, step.head.slice(5))
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(
        path,
        `${step.body
          .map(({ text }) => text)
          .join('\n')
          .replace(/\n+$/, '')}\n`,
        { mode: 0o600 },
      )
      continue
    }
    const [command = '', input] = step.head.split(' < ')
    const typed = words(command).map((word) => word.replaceAll('$WORK', work))
    if (typed.shift() !== '$') throw new Error(`line ${step.line}: neither a command nor a file`)
    const env: Record<string, string> = { HOME: work }
    while (typed[0] !== undefined && /^[A-Z_]+=/.test(typed[0])) {
      const [name = '', ...value] = (typed.shift() ?? '').split('=')
      env[name] = value.join('=')
    }
    if (typed.shift() !== 'quorate') throw new Error(`line ${step.line}: not a command of ours`)
    const stdin = input === undefined ? '' : readFileSync(join(work, input.trim()), 'utf8')
    const ran = await quorate(typed, { cwd: work, env, input: stdin })
    if (save !== undefined) writeFileSync(join(work, save), ran.stdout)
    save = undefined
    check(ran, step, work)
  }
}
