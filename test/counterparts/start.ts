import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { counterpartFolder } from './installed.ts'

export interface Counterpart {
  readonly name: string
  readonly host: string
  /** Answers when it is ready; null: it is as soon as it listens. */
  readonly ready: string | null
  /** The program by its name in the folder `bin` of its installation, or by its path. */
  readonly command: (port: number, scratch: string) => { readonly args: readonly string[]; readonly env: object }
}

const freePort = (host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, host.replace(/[[\]]/g, ''), () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => void child.once('exit', () => resolve()))

const listens = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, host.replace(/[[\]]/g, ''), () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })

const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    async (response) => {
      await response.arrayBuffer()
      return response.ok
    },
    () => false,
  )

export interface Running {
  readonly url: string
  /** The folder that is its own, as long as it runs. */
  readonly scratch: string
  stop(): Promise<void>
}

/** Starts one on a free port of the loopback, and waits until it answers. */
export const startCounterpart = async (one: Counterpart): Promise<Running> => {
  const scratch = mkdtempSync(join(tmpdir(), `quorate-${one.name}-`))
  const port = await freePort(one.host)
  const { args, env } = one.command(port, scratch)
  const [program = '', ...rest] = args
  const child = spawn(resolve(counterpartFolder(one.name), 'bin', program), rest, {
    cwd: scratch,
    env: { PATH: process.env['PATH'], HOME: scratch, TMPDIR: scratch, LANG: 'C.UTF-8', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output = `${output}${chunk}`.slice(-4_000)
    })
  let failure: Error | undefined
  child.on('error', (error) => {
    failure = error
  })
  const stop = async (): Promise<void> => {
    const killing = setTimeout(() => child.kill('SIGKILL'), 10_000)
    child.kill('SIGTERM')
    if (child.pid !== undefined) await ended(child)
    clearTimeout(killing)
    rmSync(scratch, { recursive: true, force: true })
  }
  const url = `http://${one.host}:${port}`
  for (const end = performance.now() + 120_000; performance.now() < end && failure === undefined; ) {
    if (await (one.ready === null ? listens(one.host, port) : answers(`${url}${one.ready}`)))
      return { url, scratch, stop }
    if (child.exitCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await stop()
  throw new Error(`${one.name} did not start: ${failure ?? output}`)
}
