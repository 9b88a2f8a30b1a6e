import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exitCodes } from '../../src/cli/exit-codes.ts'
import { errorTable } from '../../src/lib/errors.ts'
import { root } from '../support/cli.ts'

test('the generated pages are current', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/docs.mjs'), '--check'], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
})

test('every error ends with an exit code of the contract', () => {
  const codes: readonly number[] = exitCodes.map(({ code }) => code)
  expect(Object.values(errorTable).filter(({ exit }) => !codes.includes(exit))).toEqual([])
})

test('errors are told in lower case without a full stop', () => {
  expect(Object.values(errorTable).filter(({ doc }) => !/^[a-z].*[^.]$/.test(doc))).toEqual([])
})
