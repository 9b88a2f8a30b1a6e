import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { QuorateError } from '../../src/lib/errors.ts'
import { type Dice, dice } from '../fuzz/mutate.ts'
import { inTurn, LONG, many, report, SEED } from '../support/report.ts'
import { type Damage, damages } from './damages.ts'
import { changes, restore, type Snapshot, snapshot } from './homes.ts'
import { commands, runLine } from './line.ts'
import { type Line, rightLines } from './lines.ts'
import { type OddValue, oddValues } from './odd.ts'
import { expectNone, faultsOf, run } from './run.ts'
import { makeWorld, type World } from './world.ts'

/** Words and passphrases are hardened so that guessing costs much; here thousands are made. */
vi.mock('../../src/lib/scrypt.ts', async (load) => (await import('../support/cheap-scrypt.ts')).cheapScrypt(load))

let world: World
let lines: readonly Line[]
let values: readonly OddValue[]
let before: Snapshot
let was: { readonly folder: string; readonly data: string | undefined }

beforeAll(async () => {
  world = await makeWorld()
  was = { folder: process.cwd(), data: process.env['XDG_DATA_HOME'] }
  // A relative path, and a home that is not named, are here.
  process.chdir(world.folder)
  process.env['XDG_DATA_HOME'] = world.at('nowhere')
  values = oddValues(world, readFileSync(world.ceremonies.pending.file, 'utf8'))
  lines = rightLines(world)
  before = snapshot(world.folder)
})
afterAll(async () => {
  process.chdir(was.folder)
  if (was.data === undefined) delete process.env['XDG_DATA_HOME']
  else process.env['XDG_DATA_HOME'] = was.data
  await world.remove()
})

const nameOf = ({ command, about, flags }: Line): string =>
  `${command.id} (${about}${'ceremony' in flags ? ', kept' : ''})`
const raw = ({ command }: Line): boolean => /^(?:completion|help)/.test(command.id)

/** Runs a line in a home as it is now, and says what is wrong with how it ended. A refusal leaves all as it was. */
const look = async (line: Line, found: Snapshot) => {
  const ended = await run(line)
  // A join may say in its ledger that it opened a log, and read after that what it is refused for: nothing is lost by it.
  const told = /join$/.test(line.command.id) ? /\/(?:last-join|ledger)$/ : /\/last-join$/
  const changed = changes(found, snapshot(world.folder, found))
  const lost = changed.filter((path) => !told.test(path))
  const faults = [...faultsOf(ended, raw(line))]
  // An emergency suspends the key whatever comes after it, and goes on with what it had begun.
  const stays = line.command.id === 'rotate emergency'
  if (ended.exit === 2 && lost.length > 0 && !stays) faults.push(`refused, and yet changed: ${lost.join(', ')}`)
  return { ended, changed, faults }
}

describe('every command that a person may type', () => {
  test('has a right line here, by its flags alone', async () => {
    for (const command of commands)
      expect(
        lines.some((line) => line.command === command),
        command.id,
      ).toBe(true)
    const quick = lines.filter(({ command: { id } }) => !/(?:join|approve|abort|emergency)$/.test(id))
    for (const line of LONG ? lines : inTurn(quick, 4)) {
      const { ended, faults } = await look(line, before)
      expectNone(faults.map((fault) => `${nameOf(line)}: ${fault}`))
      // No home here is a relay's, and no bundle gives a key away: test/cli serves one, test/e2e/break-glass opens one.
      if (!/^(?:relay serve|recover open)$/.test(line.command.id))
        expect(ended.exit, `${nameOf(line)}: ${ended.stderr}`).not.toBe(2)
      restore(world.folder, before)
    }
  })

  test('approves with nothing but events on stderr where these are asked for', async () => {
    const line = lines.find(({ command: { id }, about }) => id === 'keygen approve' && about === 'pending') as Line
    const { exit, stdout, stderr } = await run({ ...line, flags: { ...line.flags, 'json-events': true } })
    expect([exit, stdout]).toEqual([0, expect.stringContaining('approved')])
    for (const text of stderr.split('\n').filter((one) => one !== ''))
      expect(() => JSON.parse(text), text).not.toThrow()
    // The same line without it shows what is approved.
    restore(world.folder, before)
    expect((await run(line)).stderr).toContain('a new key named pending')
    restore(world.folder, before)
  })

  const withOdd = (line: Line, odd: readonly (readonly [string, OddValue])[]): Line => ({
    ...line,
    flags: { ...line.flags, ...Object.fromEntries(odd.map(([flag, { value }]) => [flag, value])) },
  })
  const oddRows = async (rows: Iterable<readonly [Line, readonly (readonly [string, OddValue])[]]>): Promise<void> => {
    const exits = new Map<number, number>()
    const all: string[] = []
    for (const [line, odd] of rows) {
      const { ended, faults, changed } = await look(withOdd(line, odd), before)
      exits.set(ended.exit, (exits.get(ended.exit) ?? 0) + 1)
      const typed = odd.map(([flag, { name }]) => `--${flag} ${name}`).join(' ')
      for (const fault of faults) all.push(`${nameOf(line)} ${typed}: ${fault}`)
      if (changed.length > 0 || ended.exit !== 2) restore(world.folder, before)
    }
    const counts = [...exits].sort(([a], [b]) => a - b).map(([exit, count]) => `${exit}: ${count}`)
    report(
      `odd values: ${[...exits.values()].reduce((sum, one) => sum + one, 0)} lines; by exit code ${counts.join(', ')}`,
    )
    expectNone(all)
  }
  /** Every line with its flags that take a value. */
  const places = (): readonly (readonly [Line, string])[] =>
    lines
      // Ceremonies that are over, or were left, wait for nobody: those lines take long, and say the same.
      .filter(
        ({ command: { id }, about }) => !/join|approve|emergency/.test(id) || about === 'pending' || about === 'begun',
      )
      .flatMap((line) =>
        Object.entries(line.command.flags)
          .filter(([, { type }]) => type === 'option')
          .map(([flag]) => [line, flag] as const),
      )

  test('takes no odd value amiss', async () => {
    const d = dice(SEED)
    const [all, most] = [places(), many(16, 350, Number.POSITIVE_INFINITY)]
    const rows = all.flatMap(([line, flag]) => values.map((value) => [line, [[flag, value]]] as const))
    const drawn = most < rows.length ? Array.from({ length: most }, () => d.pick(rows)) : rows
    await oddRows(drawn)
  })

  test('takes no two odd values amiss', async () => {
    const d = dice(SEED + 1)
    const all = places()
    await oddRows(
      Array.from({ length: many(4, 70, 20_000) }, () => {
        const [line, flag] = d.pick(all)
        const [, other] = d.pick(all.filter(([one]) => one === line))
        return [
          line,
          [
            [flag, d.pick(values)],
            [other, d.pick(values)],
          ],
        ] as const
      }),
    )
  })
})

/** Files by which a home is one. */
const OF_THE_HOME = /^eu\/(?:site\.yaml|identity|hedge|purpose\/)/
/** Errors about a file on this disk. */
const OF_A_FILE: ReadonlySet<string> = new Set(['E_FILE', 'E_HOME', 'E_LOG', 'E_SHARD', 'E_DISK'])
const named = ({ message, hint }: QuorateError, path: string): boolean => `${message} ${hint}`.includes(basename(path))
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0
const isLog = (path: string): boolean => /\/(?:ledger|log)$/.test(path)

describe('every file of a home', () => {
  const files = (): readonly string[] =>
    [...before].filter(([path, { kind }]) => path.startsWith('eu/') && kind === 'file').map(([path]) => path)
  const damage = (d: Dice, path: string, { make }: Damage): Snapshot => {
    const other = d.pick(files().filter((one) => one !== path))
    make(world.at(path), readFileSync(world.at(path)), readFileSync(world.at(other)))
    return snapshot(world.folder, before)
  }

  /** Both keys are listed: at most one of them as damaged, and then with the file's name. */
  const keysFaults = async (path: string): Promise<readonly string[]> => {
    const { exit, stdout } = await runLine('keys list', ['--home', world.at('eu'), '--quiet'])
    const damaged = stdout.split('\n').filter((line) => line.includes('cannot be used'))
    if (exit !== 0) return [`keys list ended with ${exit}`]
    const shown = stdout.split('\n').filter((line) => /^\S/.test(line)).length
    return [
      ...(shown === 2 ? [] : [`${shown} keys are listed`]),
      ...(damaged.length > 1 ? ['two keys cannot be used'] : []),
      ...(damaged.every((line) => line.includes(basename(path))) ? [] : ['the list does not name the file']),
    ]
  }

  test('that is damaged disables one thing and is named', async () => {
    const d = dice(SEED + 2)
    const rows = files().flatMap((path) => damages.map((how) => [path, how] as const))
    const homeLines = lines.filter(
      ({ command: { id, flags } }) => 'home' in flags && !/^(?:relay|identity create)/.test(id),
    )
    const quick = homeLines.filter(({ command: { id } }) => !/join|approve|abort/.test(id))
    const most = many(8, 90, rows.length)
    const drawn = most < rows.length ? Array.from({ length: most }, () => d.pick(rows)) : rows
    const all: string[] = []
    let count = 0
    for (const [path, how] of drawn) {
      const chosen = many(0, 0, 1) === 1 ? homeLines : [d.pick(d.chance(3) ? homeLines : quick)]
      for (const line of chosen) {
        const found = damage(d, path, how)
        const { ended, changed, faults } = await look(line, found)
        const more = [...faults]
        // Bytes that are no records may be cut away; none are written.
        if (isLog(path) && how.whole && changed.includes(path) && sizeOf(world.at(path)) > 0) more.push('begun anew')
        if (ended.fault !== undefined && OF_A_FILE.has(ended.fault.code) && !named(ended.fault, path))
          more.push(`not named: ${ended.fault.message}`)
        if (!OF_THE_HOME.test(path)) more.push(...(await keysFaults(path)))
        for (const fault of more) all.push(`${path} ${how.name}, ${nameOf(line)}: ${fault}`)
        restore(world.folder, before)
        count += 1
      }
    }
    report(`damages: ${count} of ${rows.length} files and damages × ${homeLines.length} lines`)
    expectNone(all)
  })
})
