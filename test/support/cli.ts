import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const bin = fileURLToPath(new URL('../../bin/quorate.js', import.meta.url))

let ready: Promise<void> | undefined

/** The shipped build, brought up to date once: tests of the command line run what users run. */
export const built = (): Promise<void> => {
  ready ??= import(/* @vite-ignore */ pathToFileURL(`${root}/scripts/build.mjs`).href).then(
    (module: { buildIfStale(): Promise<void> }) => module.buildIfStale(),
  )
  return ready
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  /** Added to a bare environment: PATH, and nothing of the person who runs the tests. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly nodeArgs?: readonly string[]
}

/** `file`: one that stands around the program, for what must befall it. */
export const start = (args: readonly string[], options: RunOptions = {}, file = bin): ChildProcess =>
  spawn(process.execPath, [...(options.nodeArgs ?? []), file, ...args], {
    cwd: options.cwd ?? root,
    env: { PATH: process.env['PATH'] ?? '', LANG: 'C', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })

export const finished = (child: ChildProcess): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const text = { stdout: '', stderr: '' }
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text.stdout += chunk
    })
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      text.stderr += chunk
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...text }))
  })

/** Runs `quorate ARGS` to its end. */
export const quorate = async (args: readonly string[], options: RunOptions = {}): Promise<Ran> => {
  await built()
  const child = start(args, options)
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.input ?? '')
  return finished(child)
}
