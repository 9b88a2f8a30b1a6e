import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { Progress } from '../../src/ceremony/progress.ts'
import { warningOf } from '../../src/cli/progress.ts'
import { claimHome, type HomeRequest } from '../../src/host/run-socket.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { join } from '../../src/site/join.ts'
import { createIdentity } from '../../src/site/setup.ts'
import { keygenDefinition } from '../support/definition.ts'

const folder = mkdtempSync(joinPath(tmpdir(), 'quorate-owner-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('a join is handed to the process that owns the home only by who knows the passphrase', async () => {
  const home = joinPath(folder, 'eu')
  await createIdentity({
    home,
    name: 'eu',
    role: 'site',
    kms: [`local:${joinPath(folder, 'eu.key')}`],
    stores: ['home'],
    jurisdiction: 'test',
    control: 'a/b/c',
    passphrase: new Secret(utf8('right')),
    kmsPassphrase: undefined,
  })
  const owner = await claimHome(home)
  const asked: HomeRequest['do'][] = []
  owner.handle(async (request) => {
    asked.push((request as HomeRequest).do)
    return { ok: true, result: 'joined' }
  })
  const definition = await keygenDefinition()
  const told: Progress[] = []
  const joinWith = (passphrase: string, more: Pick<Parameters<typeof join>[0], 'relays' | 'kmsPassphrase'> = {}) =>
    join({
      ...more,
      home,
      definition,
      check: false,
      progress: (event) => told.push(event),
      signal: new AbortController().signal,
      passphrase: async () => new Secret(utf8(passphrase)),
    })
  await expect(joinWith('wrong')).rejects.toMatchObject({ code: 'E_PASSPHRASE' })
  expect(asked).toEqual([])
  expect(await joinWith('right')).toBe('joined')
  expect(asked).toEqual(['join'])
  expect(told).toEqual([])
  await joinWith('right', { relays: { relayCa: 'PEM' }, kmsPassphrase: async () => new Secret(utf8('unused')) })
  expect(told).toEqual([{ phase: 'handed-over', unused: ['relay authority', 'KMS passphrase'] }])
  expect(warningOf(told[0] as Progress)).toContain('its own relay authority and KMS passphrase')
  // An owner of a later version may have an error that this one has not.
  owner.handle(async () => ({ ok: false, code: 'E_OF_TOMORROW', message: 'of tomorrow', hint: 'ask the owner' }))
  await expect(joinWith('right')).rejects.toMatchObject({
    ...{ code: 'E_HOME_BUSY', message: 'of tomorrow', hint: 'ask the owner' },
  })
  await owner.release()
})
