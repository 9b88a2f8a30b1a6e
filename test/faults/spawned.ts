import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { bin } from '../support/cli.ts'

const killed = fileURLToPath(new URL('killed.mjs', import.meta.url))

export interface Spawned {
  readonly process: ChildProcess
  readonly ended: Promise<{
    readonly code: number | null
    readonly signal: NodeJS.Signals | null
    /** The one JSON document of stdout. */
    readonly document: Record<string, unknown> | undefined
    readonly text: string
  }>
  /** Everything on stdout so far. */
  readonly out: () => string
}

/** `quorate ARGS --json` as a process; `env` with KILL_AT makes it die at that barrier. */
export const spawnQuorate = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Spawned => {
  const file = 'KILL_AT' in env || 'QUORATE_BARRIERS' in env ? killed : bin
  const child = spawn(process.execPath, [file, ...args, '--json', '--no-input'], {
    env: { PATH: process.env['PATH'] ?? '', LANG: 'C', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk
  })
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const ended: Spawned['ended'] = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, document: documentIn(out), text: `${out}${text}` }))
  })
  return { process: child, ended, out: () => out }
}

const documentIn = (text: string): Record<string, unknown> | undefined => {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}

export interface SpawnedRelay {
  readonly url: string
  readonly port: number
  /** kill -9, and resolves when it is gone. */
  kill(): Promise<void>
}

/** A relay as a process of its own; the same port and identity again where they are given. */
export const spawnRelay = async (port = 0, home?: string): Promise<SpawnedRelay> => {
  const relay = spawnQuorate([
    'relay',
    'serve',
    '--port',
    String(port),
    ...(home === undefined ? [] : ['--home', home]),
  ])
  const until = performance.now() + 120_000
  for (;;) {
    const shown = documentIn(relay.out())
    if (shown !== undefined) {
      const url = shown['url'] as string
      return {
        url,
        port: Number(new URL(url).port),
        kill: async () => {
          relay.process.kill('SIGKILL')
          await relay.ended
        },
      }
    }
    if (relay.process.exitCode !== null || performance.now() > until) throw new Error((await relay.ended).text)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
