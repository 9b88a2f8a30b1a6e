/**
 * A transcript is what somebody types and what must come back, in one file:
 *
 *   # a comment
 *   file NAME                 writes a file; its lines follow, indented by two
 *   save NAME                 stdout of the next command goes into this file, too
 *   & quorate ARGS            runs beside what follows; with a `let` it is a server, stopped when the transcript ends
 *   end                       the others that run beside have ended, with 0
 *   &NAME quorate ARGS        runs beside what follows, under this name
 *   until NAME TEXT           waits until the one of this name has printed such a line
 *   kill NAME                 kill -9, and it is gone; stop NAME: what Ctrl-C does
 *   ended NAME                waits for its end; the checks of a command follow
 *   copy FROM TO, remove PATH, mode PATH 640
 *   edit FILE OLD -> NEW      replaces the one place where OLD stands
 *   use FILE                  runs another transcript first, here
 *   $ [NAME=value …] quorate ARGS [< FILE]
 *     exit 2                  required; `none` of what was killed
 *     out TEXT                the next line of stdout; … stands for any text, alone for any lines
 *     err TEXT                the next line of stderr
 *     json PATH VALUE         stdout is one JSON document with this value (… for any) at a dotted path
 *     let NAME PATH           $NAME is this value from now on; of an id, $NAME.short is how folders are called
 *     gone PATH               no such file afterwards
 *     made PATH [MODE]        there is, with these permissions
 *
 * BEFALL=WHAT LINE befalls a command when it prints a line that begins so, at once where no LINE is given: see befallen.mjs.
 * Streams without a line of their own must be empty, but for stdout where `json` reads it. $WORK is the folder it runs in.
 */
import type { ChildProcess } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { finished, type Ran, start } from '../support/cli.ts'

const befallen = join(import.meta.dirname, 'befallen.mjs')

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

/** What a transcript knows while it runs. */
interface Stage {
  readonly work: string
  /** $NAME and its value; longer names first when they are put in. */
  readonly values: Map<string, string>
  readonly servers: ChildProcess[]
  readonly beside: { readonly step: Step; readonly ran: Promise<Ran> }[]
  readonly named: Map<string, Named>
}

interface Named {
  readonly child: ChildProcess
  readonly ran: Promise<Ran>
  /** Everything that it has printed so far. */
  readonly printed: () => string
}

const filled = (text: string, { values }: Stage): string =>
  [...values]
    .sort(([a], [b]) => b.length - a.length)
    .reduce((line, [name, value]) => line.replaceAll(`$${name}`, value), text)

const VERBS = ['exit', 'out', 'err', 'json', 'let', 'gone', 'made']

const check = (ran: Ran, step: Step, stage: Stage): void => {
  const where = (line: number): string =>
    `line ${line}: ${step.head}\n--- stdout\n${ran.stdout}--- stderr\n${ran.stderr}---`
  const of = (verb: string) =>
    step.body
      .map(({ line, text }) => ({ line, text: filled(text, stage) }))
      .filter(({ text }) => text === verb || text.startsWith(`${verb} `))
      .map(({ line, text }) => ({ line, text: text.slice(verb.length + 1) }))
  for (const { line, text } of step.body)
    if (!VERBS.includes(text.split(' ', 1)[0] ?? '')) throw new Error(`line ${line}: unknown check ${text}`)
  const exit = of('exit')[0]
  if (exit === undefined) throw new Error(`line ${step.line}: no exit`)
  expect(ran.code, where(exit.line)).toBe(exit.text === 'none' ? null : Number(exit.text))
  const json = of('json')
  const out = of('out').map(({ text }) => text)
  const document = json.length + of('let').length > 0 ? (JSON.parse(ran.stdout) as unknown) : undefined
  if (document === undefined) expect(matches(out, lines(ran.stdout)) || out, where(step.line)).toBe(true)
  for (const { line, text } of json) {
    const [path = '', ...value] = text.split(' ')
    const found = at(document, path)
    if (value.join(' ') === '…') expect(found, where(line)).toBeDefined()
    else expect(found, where(line)).toEqual(JSON.parse(value.join(' ')))
  }
  remember(document, step, stage)
  const err = of('err').map(({ text }) => text)
  // Whether a join warns of its runtime depends on the day and on the line of node that runs this.
  const said = lines(ran.stderr).filter((line) => !/^warning +node \d+ gets no security fixes/.test(line))
  expect(matches(err, said) || err, where(step.line)).toBe(true)
  for (const { line, text } of of('gone')) expect(existsSync(join(stage.work, text)), where(line)).toBe(false)
  for (const { line, text } of of('made')) {
    const [path = '', mode] = text.split(' ')
    expect(existsSync(join(stage.work, path)), where(line)).toBe(true)
    if (mode !== undefined) expect((statSync(join(stage.work, path)).mode & 0o777).toString(8), where(line)).toBe(mode)
  }
}

const remember = (document: unknown, { body }: Step, { values }: Stage): void => {
  for (const { text } of body) {
    const [verb, name, path] = text.split(' ')
    if (verb !== 'let' || name === undefined || path === undefined) continue
    const value = String(at(document, path))
    values.set(name, value)
    if (/^[0-9a-f]{64}$/.test(value)) values.set(`${name}.short`, `${value.slice(0, 4)}-${value.slice(4, 8)}`)
  }
}

const writeFixture = ({ head, body }: Step, { work }: Stage): void => {
  const path = join(work, head.slice('file '.length))
  mkdirSync(dirname(path), { recursive: true })
  const text = body.map((line) => line.text).join('\n')
  writeFileSync(path, `${text.replace(/\n+$/, '')}\n`, { mode: 0o600 })
}

/** Arguments and environment of a command line; `&` and `$` are gone before. */
const parsed = (step: Step, stage: Stage) => {
  const [command = '', input] = step.head.slice(step.head.indexOf(' ') + 1).split(' < ')
  const typed = words(command).map((word) => filled(word, stage))
  const env: Record<string, string> = { HOME: stage.work }
  while (typed[0] !== undefined && /^[A-Z_]+=/.test(typed[0])) {
    const [name = '', ...value] = (typed.shift() ?? '').split('=')
    env[name] = value.join('=')
  }
  if (typed.shift() !== 'quorate') throw new Error(`line ${step.line}: not a command of ours`)
  return { args: typed, env, input }
}

const launch = (step: Step, stage: Stage): { child: ChildProcess; ran: Promise<Ran> } => {
  const { args, env, input } = parsed(step, stage)
  const child = start(args, { cwd: stage.work, env }, 'BEFALL' in env ? befallen : undefined)
  child.stdin?.on('error', () => {})
  child.stdin?.end(input === undefined ? '' : readFileSync(join(stage.work, input.trim()), 'utf8'))
  return { child, ran: finished(child) }
}

/** Starts a command beside the others; one with a `let` is a server, which is ready when its document is there. */
const startBeside = async (step: Step, stage: Stage): Promise<void> => {
  const { child, ran } = launch(step, stage)
  const name = step.head.slice(1, step.head.indexOf(' '))
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: string) => {
      printed += chunk
    })
  if (name !== '') stage.named.set(name, { child, ran, printed: () => printed })
  if (step.body.length === 0) {
    if (name === '') stage.beside.push({ step, ran })
    return
  }
  stage.servers.push(child)
  let text = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: string) => {
      text += chunk
      if (text.endsWith('}\n')) resolve()
    })
    ran.then(({ stderr }) => reject(new Error(`line ${step.line}: ended: ${stderr}`)), reject)
  })
  remember(JSON.parse(text), step, stage)
}

const endBeside = async (stage: Stage): Promise<void> => {
  for (const { step, ran } of stage.beside.splice(0)) {
    const { code, stderr } = await ran
    expect(code, `line ${step.line}: ${step.head}\n${stderr}`).toBe(0)
  }
}

const namedIn = (step: Step, { named }: Stage): Named => {
  const found = named.get(step.head.split(' ')[1] ?? '')
  if (found === undefined) throw new Error(`line ${step.line}: nobody of that name runs`)
  return found
}

const printedLine = async (step: Step, stage: Stage): Promise<void> => {
  const one = namedIn(step, stage)
  const wanted = pattern(step.head.split(' ').slice(2).join(' '))
  let over = false
  void one.ran.finally(() => {
    over = true
  })
  while (!lines(one.printed()).some((line) => wanted.test(line))) {
    if (over) throw new Error(`line ${step.line}: it ended without that line\n${one.printed()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** What is done to processes and files, by its first word. */
const acts: Readonly<Record<string, (step: Step, stage: Stage) => void | Promise<void>>> = {
  end: (_, stage) => endBeside(stage),
  until: printedLine,
  kill: async (step, stage) => {
    const { child, ran } = namedIn(step, stage)
    child.kill('SIGKILL')
    await ran
  },
  stop: (step, stage) => void namedIn(step, stage).child.kill('SIGINT'),
  ended: async (step, stage) => check(await namedIn(step, stage).ran, step, stage),
  copy: ({ head }, stage) => {
    const { work } = stage
    const [, from = '', to = ''] = filled(head, stage).split(' ')
    rmSync(join(work, to), { recursive: true, force: true })
    cpSync(join(work, from), join(work, to), { recursive: true, filter: (path) => !path.endsWith('run.sock') })
  },
  remove: ({ head }, stage) => rmSync(join(stage.work, filled(head, stage).split(' ')[1] ?? ''), { recursive: true }),
  mode: ({ head }, { work }) => {
    const [, path = '', mode = ''] = head.split(' ')
    chmodSync(join(work, path), Number.parseInt(mode, 8))
  },
  edit: (step, stage) => {
    const [path = '', ...rest] = step.head.slice('edit '.length).split(' ')
    const [from = '', to = ''] = filled(rest.join(' '), stage).split(' -> ')
    const parts = readFileSync(join(stage.work, path), 'utf8').split(from)
    if (parts.length !== 2) throw new Error(`line ${step.line}: ${parts.length - 1} such places`)
    writeFileSync(join(stage.work, path), parts.join(to))
  },
  use: ({ head }, stage) => play(readFileSync(join(import.meta.dirname, head.slice('use '.length)), 'utf8'), stage),
}

const play = async (text: string, stage: Stage): Promise<void> => {
  let save: string | undefined
  for (const step of steps(text)) {
    const act = acts[step.head.split(' ', 1)[0] ?? '']
    if (act !== undefined) await act(step, stage)
    else if (step.head.startsWith('save ')) save = step.head.slice('save '.length)
    else if (step.head.startsWith('file ')) writeFixture(step, stage)
    else if (step.head.startsWith('&')) await startBeside(step, stage)
    else if (step.head.startsWith('$ ')) {
      const ran = await launch(step, stage).ran
      if (save !== undefined) writeFileSync(join(stage.work, save), ran.stdout)
      save = undefined
      check(ran, step, stage)
    } else throw new Error(`line ${step.line}: neither a command nor a file`)
  }
}

/** Runs one transcript in an empty folder. */
export const replay = async (text: string, work: string): Promise<void> => {
  const stage: Stage = { work, values: new Map([['WORK', work]]), servers: [], beside: [], named: new Map() }
  try {
    await play(text, stage)
  } finally {
    for (const child of stage.servers) child.kill('SIGTERM')
    for (const { child } of stage.named.values()) child.kill('SIGKILL')
    for (const { ran } of [...stage.beside, ...stage.named.values()]) await ran
  }
}
