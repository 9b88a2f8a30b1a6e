import { readdirSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { built, finished, quorate, start } from '../support/cli.ts'

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

  test('lets harmless options pass', async () => {
    const { code } = await quorate(['--version'], {
      nodeArgs: ['--max-old-space-size=300', '--no-warnings'],
      env: { NODE_OPTIONS: '--dns-result-order=ipv4first --unhandled-rejections=strict' },
    })
    expect(code).toBe(0)
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
