import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readPassphrase } from '../../src/cli/secret-input.ts'
import { built } from '../support/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'quorate-secret-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const from = async (bytes: string): Promise<string> => {
  const file = join(folder, 'passphrase')
  writeFileSync(file, bytes)
  const secret = await readPassphrase({ file, noInput: true, message: 'Passphrase' })
  return Buffer.from(secret.reveal()).toString('utf8')
}

test.each([
  ['words\n', 'words'],
  ['words\r\n', 'words'],
  ['words', 'words'],
  [' two words \n\n', ' two words \n'],
])('%j is the passphrase %j', async (file, passphrase) => {
  expect(await from(file)).toBe(passphrase)
})

test.each(['', '\n', '\r\n', 'x'.repeat(5000)])('no passphrase is read of %j', async (file) => {
  await expect(from(file)).rejects.toMatchObject({ code: 'E_PASSPHRASE' })
})

test('without a terminal nobody is asked', async () => {
  await expect(readPassphrase({ file: undefined, noInput: false, message: 'Passphrase' })).rejects.toMatchObject({
    code: 'E_NO_TERMINAL',
    hint: 'give --passphrase-file',
  })
})

test.runIf(process.platform === 'linux')('a descriptor of the shell is a file too', async () => {
  await built()
  const script = `
    const { readPassphrase } = await import(${JSON.stringify(new URL('../../dist/cli/secret-input.js', import.meta.url).href)})
    const secret = await readPassphrase({ file: process.argv[1], noInput: true, message: '' })
    console.log(Buffer.from(secret.reveal()).toString())`
  const run = (command: string) =>
    spawnSync('bash', ['-c', command, 'bash', process.execPath, script], { encoding: 'utf8' })
  expect(run('"$1" --input-type=module -e "$2" /dev/fd/3 3< <(sleep 0.2; echo piped)').stdout).toBe('piped\n')
  expect(run('(sleep 0.2; echo stdin) | "$1" --input-type=module -e "$2" -').stdout).toBe('stdin\n')
})
