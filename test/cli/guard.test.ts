import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { bin, built, finished, quorate, root, start } from '../support/cli.ts'

beforeAll(built)

describe('the guard', () => {
  test.each([
    ['--inspect=127.0.0.1:0'],
    ['--require', 'node:os'],
    ['--import', 'node:os'],
    ['--experimental-loader', 'node:os'],
    ['--heapsnapshot-signal=SIGUSR2'],
    ['--report-on-signal'],
    ['--report-uncaught-exception'],
    ['--abort-on-uncaught-exception'],
    ['--cpu-prof'],
    ['--heap-prof'],
    ['--trace-sigint'],
    ['--no-node-snapshot'],
  ])('refuses node %s', async (...nodeArgs) => {
    const { code, stdout, stderr } = await quorate(['--version'], { nodeArgs, cwd: '/tmp' })
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain('code    E_USAGE (exit 2)')
  })

  test.each([
    '--import=node:os',
    '--max-old-space-size=300 -r node:os',
    '--heapsnapshot_signal=SIGUSR2',
    '"--require" "node:os"',
  ])('refuses NODE_OPTIONS=%s', async (options) => {
    const { code, stderr } = await quorate(['--version'], { env: { NODE_OPTIONS: options } })
    expect(code).toBe(2)
    expect(stderr).toContain('NODE_OPTIONS holds')
  })

  test.each(['18.20.4', '20.18.9', '20.0.0'])('refuses node %s in one line, before anything else', async (version) => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-floor-'))
    const older = join(folder, 'older.cjs')
    writeFileSync(older, `Object.defineProperty(process.versions, 'node', { value: '${version}' })`)
    try {
      const { code, stdout, stderr } = await quorate(['--version'], { nodeArgs: ['--require', older] })
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toMatch(new RegExp(`^error   this is node ${version}, and quorate needs 20\\.19 or later\n`))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('names the floor that package.json names', () => {
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const guard = readFileSync(bin, 'utf8')
    const [, major, minor] = /^>=(\d+)\.(\d+)\.0$/.exec(engines.node) ?? []
    expect(guard).toContain(`const FLOOR = [${major}, ${minor}]`)
  })

  test('lets harmless options pass', async () => {
    const { code } = await quorate(['--version'], {
      nodeArgs: ['--max-old-space-size=300', '--no-warnings'],
      env: { NODE_OPTIONS: '--dns-result-order=ipv4first --unhandled-rejections=strict' },
    })
    expect(code).toBe(0)
  })
})

/** Where the inspector of a process that waits for a debugger listens. */
const inspector = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk
      const url = /ws:\/\/\S+/.exec(text)?.[0]
      if (url !== undefined) resolve(url)
    })
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${text}`)))
  })

/** One debugger that comes, says "go on", and leaves after a moment. A process that has ended in between is fine. */
const letGoOn = (url: string): Promise<void> =>
  new Promise((resolve) => {
    const debug = new WebSocket(url)
    debug.on('open', () => debug.send(JSON.stringify({ id: 1, method: 'Runtime.runIfWaitingForDebugger' })))
    debug.on('message', () => setTimeout(() => debug.close(), 100))
    debug.on('error', () => debug.terminate())
    debug.on('close', () => resolve())
  })

describe('options that make Node wait for a debugger before any code of ours', () => {
  test.each(['--inspect-brk', '--inspect-wait'])('%s: let go on, it is refused', async (option) => {
    for (const options of [
      { nodeArgs: [`${option}=127.0.0.1:0`] },
      { env: { NODE_OPTIONS: `${option}=127.0.0.1:0` } },
    ]) {
      const child = start(['--version'], options)
      const ran = finished(child)
      const url = await inspector(child)
      // A process that is told to go on before it waits will wait for ever: it is told again until it has ended.
      while (child.exitCode === null && child.signalCode === null) await letGoOn(url)
      const { code, stdout, stderr } = await ran
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain('which quorate does not run under')
    }
  })
})

const relay = async () => {
  const child = start(['relay', 'serve', '--port', '0'])
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve())
    child.once('exit', (code) => reject(new Error(`ended with ${code}`)))
  })
  return child
}

describe.runIf(process.platform === 'linux')('a running process', () => {
  test('SIGUSR1 opens no inspector', async () => {
    const child = await relay()
    const ran = finished(child)
    const sockets = () => readdirSync(`/proc/${child.pid}/fd`).length
    const before = sockets()
    for (let i = 0; i < 3; i++) child.kill('SIGUSR1')
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(sockets()).toBe(before)
    child.kill('SIGTERM')
    const { code, stderr } = await ran
    expect(code).toBe(0)
    expect(stderr).not.toMatch(/debugger|inspector/i)
  })

  test('a core file of it holds no memory, and files it makes are its own', async () => {
    const child = await relay()
    const ran = finished(child)
    const proc = (name: string) => readFileSync(`/proc/${child.pid}/${name}`, 'utf8')
    expect(Number.parseInt(proc('coredump_filter'), 16)).toBe(0)
    expect(/^Umask:\s*(\d+)/m.exec(proc('status'))?.[1]).toBe('0077')
    child.kill('SIGINT')
    expect((await ran).code).toBe(0)
  })
})
