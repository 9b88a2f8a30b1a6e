import { execFileSync, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dice } from '../fuzz/mutate.ts'
import { bin, built, finished, type Ran, start } from '../support/cli.ts'
import { many, NIGHTLY, report, SEED } from '../support/report.ts'
import { restore, type Snapshot, snapshot } from './homes.ts'
import { argvOf, type Line, rightLines } from './lines.ts'
import { expectNone } from './run.ts'
import { makeWorld, type World } from './world.ts'

/** Where the kernel has a say: pipes that nobody writes to, signals, streams that are full, closed or never end. */

let world: World
let lines: readonly Line[]
let before: Snapshot
beforeAll(async () => {
  await built()
  world = await makeWorld()
  execFileSync('mkfifo', [world.at('pipe')])
  // A join, a relay and a demo run until they are stopped.
  lines = rightLines(world).filter(({ command: { id } }) => !/join$|^(?:demo|relay)/.test(id))
  before = snapshot(world.folder)
})
afterAll(() => world.remove())

const wordsOf = ({ command, flags }: Line): readonly string[] => [...command.id.split(' '), ...argvOf(flags)]
const options = () => ({ cwd: world.folder, env: { HOME: world.at('nobody') } })
const faultsOf = ({ code, stdout, stderr }: Ran): readonly string[] => [
  ...(code === 70 ? [`a bug: ${stderr}`] : []),
  ...(/^\s*at .*:\d+:\d+\)?$/m.test(`${stdout}\n${stderr}`) ? [`a stack trace: ${stderr}`] : []),
]
const drawn = <T>(all: readonly T[], count: number): readonly T[] => {
  const d = dice(SEED)
  return count >= all.length ? all : Array.from({ length: count }, () => d.pick(all))
}

/** Resolves once somebody reads the pipe; false where `over` comes first. */
const isRead = async (pipe: string, over: () => boolean): Promise<boolean> => {
  while (!over()) {
    try {
      await (await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK)).close()
      return true
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  return false
}

test('a pipe that nobody writes to is waited for, and a signal ends that', async () => {
  // A day's sample is drawn from the options that are said to take a file: of a hundred others hardly one reads it.
  const places = lines.flatMap((line) =>
    Object.entries(line.command.flags)
      .filter(([, { type, helpValue }]) => type === 'option' && (NIGHTLY || helpValue === 'FILE'))
      .map(([flag]) => ({ ...line, flags: { ...line.flags, [flag]: world.at('pipe') }, flag })),
  )
  const all: string[] = []
  let waited = 0
  for (const [n, line] of drawn(places, many(6, 12, places.length)).entries()) {
    const child = start(wordsOf(line), options())
    child.stdin?.end()
    const ended = finished(child)
    let over = false
    void ended.then(() => {
      over = true
    })
    if (await isRead(world.at('pipe'), () => over)) {
      waited += 1
      child.kill(n % 2 === 0 ? 'SIGINT' : 'SIGTERM')
    }
    const ran = await ended
    const name = `${line.command.id} --${line.flag}`
    for (const fault of faultsOf(ran)) all.push(`${name}: ${fault}`)
    if (ran.code === null) all.push(`${name}: ended by the signal itself`)
    restore(world.folder, before)
  }
  report(`pipes: ${waited} waited for`)
  expect(waited).toBeGreaterThan(0)
  expectNone(all)
})

describe('streams', () => {
  const ways: Readonly<Record<string, { readonly shell: string; readonly code: (right: number) => number }>> = {
    'stdout is full': { shell: '> /dev/full', code: (right) => (right === 0 ? 5 : right) },
    'stderr is full': { shell: '2> /dev/full', code: (right) => right },
    'stdout is closed': { shell: '>&-', code: (right) => right },
    'stderr is closed': { shell: '2>&-', code: (right) => right },
    'stdin is closed': { shell: '<&-', code: (right) => right },
    'all are closed': { shell: '<&- >&- 2>&-', code: (right) => right },
    'nobody reads stdout': { shell: '| true', code: (right) => right },
    'nobody reads stderr': { shell: '2>&1 >/dev/null | true', code: (right) => right },
  }
  test.each(Object.keys(ways))('%s', async (name) => {
    const { shell, code } = ways[name] as (typeof ways)[string]
    const all: string[] = []
    for (const line of drawn(lines, many(1, 3, lines.length))) {
      const right = await finished(start(wordsOf(line), options()))
      restore(world.folder, before)
      const words = ['sh', process.execPath, bin, ...wordsOf(line)]
      const child = spawn('bash', ['-o', 'pipefail', '-c', `"$@" ${shell}`, ...words], {
        cwd: world.folder,
        env: { PATH: process.env['PATH'] ?? '', LANG: 'C', HOME: world.at('nobody') },
      })
      child.stdin.end()
      const ran = await finished(child)
      for (const fault of faultsOf(ran)) all.push(`${line.command.id}: ${fault}`)
      if (ran.code !== code(right.code ?? -1)) all.push(`${line.command.id}: exit ${ran.code}, else ${right.code}`)
      restore(world.folder, before)
    }
    expectNone(all)
  })
})
