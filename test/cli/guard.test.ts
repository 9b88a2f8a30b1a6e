import { beforeAll, describe, expect, test } from 'vitest'
import { built, quorate } from '../support/cli.ts'

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
