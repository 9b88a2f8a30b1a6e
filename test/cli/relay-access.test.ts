import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { relayAccess } from '../../src/cli/relay-access.ts'

const folder = mkdtempSync(join(tmpdir(), 'quorate-ca-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('one or more certificates are an authority', async () => {
  const file = join(folder, 'good.pem')
  const key = join(folder, 'key.pem')
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      file,
      '-subj',
      '/CN=x',
    ],
    { stdio: 'ignore' },
  )
  const pem = readFileSync(file, 'utf8')
  for (const text of [pem, `about it\n${pem}${pem}`]) {
    writeFileSync(file, text)
    expect(await relayAccess({ 'relay-ca': file })).toEqual({ relayCa: text })
  }
  writeFileSync(file, pem.replace('MII', 'AII'))
  await expect(relayAccess({ 'relay-ca': file })).rejects.toMatchObject({ code: 'E_FILE' })
})

test('without the flag nothing is read', async () => {
  expect(await relayAccess({})).toEqual({})
})

test.each([
  '',
  'no PEM',
  '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  `-----BEGIN CERTIFICATE-----\n${'not base64 at all '.repeat(20)}\n-----END CERTIFICATE-----\n`,
  '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
])('%j is no authority, and that is said before a relay is dialled', async (text) => {
  const file = join(folder, 'ca.pem')
  writeFileSync(file, text)
  await expect(relayAccess({ 'relay-ca': file })).rejects.toMatchObject({
    code: 'E_FILE',
    message: `${file} holds no certificate`,
  })
})
