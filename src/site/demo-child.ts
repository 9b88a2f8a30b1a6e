import { type ChildProcess, spawn } from 'node:child_process'
import { QuorateError } from '../lib/errors.ts'

const KILL_MS = 3000

/** A process of the demo with its JSON document; ends with this process. */
export class Child {
  readonly process: ChildProcess
  readonly #out: Buffer[] = []
  readonly #err: string[] = []
  readonly ended: Promise<number>

  constructor(
    bin: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    onEvent: (event: Record<string, unknown>) => void,
  ) {
    this.process = spawn(process.execPath, [bin, ...args, '--json', '--json-events', '--no-input'], {
      env,
      // Nothing is written to stdin: it ends when this process does, however that ends.
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.process.stdout?.on('data', (chunk: Buffer) => this.#out.push(chunk))
    let rest = ''
    this.process.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const event = eventIn(line)
        if (event === undefined) this.#err.push(line)
        else onEvent(event)
      }
    })
    this.ended = new Promise((resolve, reject) => {
      this.process.once('error', reject)
      this.process.once('close', (code) => resolve(code ?? 1))
    })
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  /** It ended, or a signal ended it. */
  get over(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null
  }

  get stdout(): string {
    return Buffer.concat(this.#out).toString('utf8')
  }

  /** The document of a child that ended well; its own error otherwise. */
  async document(): Promise<Record<string, unknown>> {
    const code = await this.ended
    const document = parsed(this.stdout)
    if (code === 0 && document !== undefined) return document
    const error = document?.['error'] as { message?: string; hint?: string } | undefined
    throw new QuorateError(
      'E_REFUSED',
      `a process of the demo ended with ${code}: ${error?.message ?? this.#err.slice(-3).join(' / ')}`,
      error?.hint ?? 'run it again; if it fails again, this is a bug',
    )
  }

  async stop(): Promise<void> {
    if (this.over) return
    this.process.kill('SIGTERM')
    const timer = setTimeout(() => this.process.kill('SIGKILL'), KILL_MS)
    await this.ended.catch(() => undefined)
    clearTimeout(timer)
  }
}

export const parsed = (text: string): Record<string, unknown> | undefined => {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}
const eventIn = (line: string): Record<string, unknown> | undefined => (line.startsWith('{') ? parsed(line) : undefined)
