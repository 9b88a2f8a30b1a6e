import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bin, built } from '../support/cli.ts'

const work = mkdtempSync(join(tmpdir(), 'quorate-terminal-'))
beforeAll(built)
afterAll(() => rmSync(work, { recursive: true, force: true }))

/** util-linux' script gives the command a terminal of its own. */
const hasScript = process.platform === 'linux' && existsSync('/usr/bin/script')

interface Typed {
  /** Typed once this is on the screen. */
  readonly after: string
  readonly keys: string
}

/** Runs `quorate ARGS` on a terminal; the screen is everything that was written to it. */
const onTerminal = (args: readonly string[], typed: readonly Typed[], env: Record<string, string> = {}) =>
  new Promise<{ code: number | null; screen: string }>((resolve, reject) => {
    const command = [process.execPath, bin, ...args].map((word) => `'${word}'`).join(' ')
    const child = spawn('script', ['-qfec', command, '/dev/null'], {
      cwd: work,
      env: { PATH: process.env['PATH'] ?? '', HOME: work, TERM: 'xterm-256color', SHELL: '/bin/sh', ...env },
    })
    let screen = ''
    const left = [...typed]
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      screen += chunk
      const next = left[0]
      if (next === undefined || !screen.includes(next.after)) return
      left.shift()
      setTimeout(() => child.stdin.write(next.keys), 100)
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, screen }))
  })

const create = (home: string) => [
  ...['identity', 'create', '--name', 'eu', '--home', home],
  ...['--kms', `local:${work}/kms/${home}.key`, '--jurisdiction', 'EU', '--control', 'acme'],
]

describe.skipIf(!hasScript)('on a terminal', () => {
  test('a passphrase is asked twice and never shown', async () => {
    const { code, screen } = await onTerminal(create('asked'), [
      { after: 'New passphrase', keys: 'open sesame\r' },
      { after: 'The same once more', keys: 'open sesame\r' },
    ])
    expect(code, screen).toBe(0)
    expect(stripVTControlCharacters(screen)).toContain('passphrase  set')
    expect(screen).not.toContain('sesame')
    expect(existsSync(join(work, 'asked/site.yaml'))).toBe(true)
  })

  test('two that differ make nothing', async () => {
    const { code, screen } = await onTerminal(create('differ'), [
      { after: 'New passphrase', keys: 'open sesame\r' },
      { after: 'The same once more', keys: 'open barley\r' },
    ])
    expect(code, screen).toBe(2)
    expect(screen).toContain('E_PASSPHRASE')
    expect(existsSync(join(work, 'differ'))).toBe(false)
  })

  test('Ctrl-C at a question ends with 130 and says so', async () => {
    const { code, screen } = await onTerminal(create('stopped'), [{ after: 'New passphrase', keys: '\x03' }])
    expect(code, screen).toBe(130)
    expect(screen).toContain('stopped by the operator')
    expect(screen).not.toContain('ExitPromptError')
    expect(existsSync(join(work, 'stopped'))).toBe(false)
  })

  test('--no-input asks nothing', async () => {
    const { code, screen } = await onTerminal([...create('silent'), '--no-input'], [])
    expect(code, screen).toBe(2)
    expect(screen).toContain('E_NO_TERMINAL')
  })

  const isColoured = (screen: string): boolean => stripVTControlCharacters(screen) !== screen
  test('colour is on, and off with NO_COLOR or a dumb terminal', async () => {
    const missing = ['identity', 'show', '--home', 'nowhere']
    expect(isColoured((await onTerminal(missing, [])).screen)).toBe(true)
    expect(isColoured((await onTerminal(missing, [], { NO_COLOR: '1' })).screen)).toBe(false)
    expect(isColoured((await onTerminal(missing, [], { TERM: 'dumb' })).screen)).toBe(false)
    expect(isColoured((await onTerminal(['help', 'identity'], [], { NO_COLOR: '1' })).screen)).toBe(false)
  })

  test('JSON has no colour and no question on a terminal either', async () => {
    const { code, screen } = await onTerminal(['identity', 'show', '--home', 'nowhere', '--json', '--quiet'], [])
    expect(code).toBe(2)
    expect(isColoured(screen.slice(0, screen.indexOf('}\r\n}') + 4))).toBe(false)
  })
})
