import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { built, finished, root, start } from '../support/cli.ts'

beforeAll(built)

// bin/dev.js has no guard that refuses --require.
const nobody = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  spawnSync(process.execPath, ['--require', join(root, 'test/cli/no-user.cjs'), join(root, 'bin/dev.js'), ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', ...env },
  })

describe('a user whom the user database does not know', () => {
  test.each([{}, { HOME: '/' }])('runs commands with %o', (env) => {
    const { status, stderr } = nobody(['help', 'errors'], env)
    expect([status, stderr]).toEqual([0, ''])
    expect(nobody(['audit', 'verify', '--bundle', 'none'], env).stderr).toContain('E_FILE')
  })

  test('is told to name a home where there is none', () => {
    const { status, stderr } = nobody(['identity', 'show'])
    expect(status).toBe(2)
    expect(stderr).toContain('name a folder for this site with --home')
  })
})

test('SIGHUP stops a process as SIGTERM does', async () => {
  const child = start(['relay', 'serve', '--port', '0'])
  const ran = finished(child)
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  child.kill('SIGHUP')
  expect((await ran).code).toBe(0)
})
