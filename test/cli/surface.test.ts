import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { built, root } from '../support/cli.ts'

interface Flag {
  readonly type: string
  readonly char?: string
  readonly required?: boolean
  readonly multiple?: boolean
  readonly options?: readonly string[]
  readonly env?: string
  readonly default?: unknown
  readonly summary?: string
  readonly helpGroup?: string
}
interface Command {
  readonly summary?: string
  readonly args: Record<string, unknown>
  readonly examples?: readonly string[]
  readonly flags: Record<string, Flag>
}

let commands: Record<string, Command>
beforeAll(async () => {
  await built()
  commands = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8')).commands
})

const line = ([name, flag]: [string, Flag]): string =>
  [
    `--${name}${flag.type === 'boolean' ? '' : flag.multiple === true ? '=…*' : '=…'}`,
    flag.required === true ? 'required' : '',
    flag.options === undefined ? '' : flag.options.join('|'),
    flag.env === undefined ? '' : `env ${flag.env}`,
    flag.default === undefined || flag.default === false ? '' : `default ${String(flag.default)}`,
  ]
    .filter((part) => part !== '')
    .join('  ')

describe('surface', () => {
  // Scripts depend on all of it: a change here is a change of the contract and belongs into the changelog.
  test('commands and flags', async () => {
    const lines = Object.entries(commands).flatMap(([id, { flags }]) => [
      id.replaceAll(':', ' '),
      ...Object.entries(flags)
        .filter(([, flag]) => flag.helpGroup !== 'GLOBAL')
        .map((flag) => `  ${line(flag)}`)
        .sort(),
    ])
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('surface.txt')
  })

  test('every command says what it does, has an example and takes the global flags', () => {
    for (const [id, command] of Object.entries(commands)) {
      expect(command.summary, id).toMatch(/^[a-z][^\n]*[^.\n]$/)
      expect(command.examples?.length, id).toBeGreaterThan(0)
      expect(Object.keys(command.flags), id).toEqual(
        expect.arrayContaining(['json', 'json-events', 'no-input', 'quiet', 'verbose']),
      )
      for (const [name, flag] of Object.entries(command.flags))
        expect(flag.summary, `${id} --${name}`).toMatch(/^\S.*[^.]$/)
    }
  })

  test('only help takes words', () => {
    const taking = Object.entries(commands).filter(([, { args }]) => Object.keys(args).length > 0)
    expect(taking.map(([id]) => id)).toEqual(['help'])
  })

  test('no flag carries a secret, and none says yes to everything', () => {
    const names = Object.values(commands).flatMap(({ flags }) => Object.keys(flags))
    expect(names.filter((name) => /^(?:passphrase|password|secret|key-hex|yes|force)$/.test(name))).toEqual([])
  })

  test('the manifest holds no path of the machine that built it', () => {
    const text = readFileSync(join(root, 'oclif.manifest.json'), 'utf8')
    expect(text).not.toContain(root.replace(/\/$/, ''))
    expect(text).not.toContain(process.env['HOME'] === '/' ? '\0' : (process.env['HOME'] ?? '\0'))
  })
})
