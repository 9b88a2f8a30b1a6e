import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bin, built, finished, root } from '../support/cli.ts'

const dev = join(root, 'bin', 'dev.js')
const work = mkdtempSync(join(tmpdir(), 'quorate-killed-'))
beforeAll(built)
afterAll(() => rmSync(work, { recursive: true, force: true }))

interface Row {
  readonly pid: number
  readonly parent: number
}

/** All processes but those that ended and that nobody has asked after. */
const running = (): readonly Row[] =>
  execFileSync('ps', ['-eo', 'pid=,ppid=,stat='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , state]) => state !== undefined && !state.startsWith('Z'))
    .map(([pid, parent]) => ({ pid: Number(pid), parent: Number(parent) }))

test.each([
  ['while it only has a relay', /"step":"relay"/, 1],
  ['while the sites join', /"phase":"gather/, 4],
])('the processes of a demo that is killed %s end by themselves', async (name, at, least) => {
  const folder = join(work, name)
  const demo = spawn(process.execPath, [bin, 'demo', '--json', '--json-events', '--folder', folder], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let text = ''
  for await (const chunk of demo.stderr) {
    text += chunk
    if (at.test(text)) break
  }
  const started = running().filter(({ parent }) => parent === demo.pid)
  const ended = once(demo, 'exit')
  demo.kill('SIGKILL')
  await ended
  expect(started.length, text).toBeGreaterThanOrEqual(least)
  const left = () => running().filter(({ pid }) => started.some((one) => one.pid === pid))
  try {
    await expect.poll(left, { timeout: 60_000, interval: 50 }).toEqual([])
  } finally {
    for (const { pid } of left()) process.kill(pid, 'SIGKILL')
  }
})

test('the demo hands none of Node’s options to its processes', async () => {
  // bin/dev.js has no guard; each process of the demo has, and would refuse.
  const child = spawn(process.execPath, [dev, 'demo', '--json', '--quiet', '--folder', join(work, 'options')], {
    env: { PATH: process.env['PATH'], NODE_OPTIONS: '--require=node:os' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { code, stdout } = await finished(child)
  expect([code, JSON.parse(stdout).error], stdout).toEqual([0, undefined])
})
