import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { loadSuite } from '../../src/mpc/frost/suite.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'

/**
 * Bytes that come from Node are often a Buffer, whose slice() shares its memory: what looks like a copy is wiped, or
 * changed, together with the original. `new Uint8Array(bytes)` copies whatever it is given.
 */
const src = fileURLToPath(new URL('../../src', import.meta.url))

test('nothing takes slice() for a copy of bytes', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  expect(files.length).toBeGreaterThan(100)
  expect(files.filter((file) => /\.slice\(\)/.test(readFileSync(join(src, file), 'utf8')))).toEqual([])
})

test.each(protocolIds)('%s: a scalar that was read from a Buffer is no part of it', async (id) => {
  const { field } = (await loadSuite(id)).group
  const bytes = Buffer.from(field.encode(field.fromNumber(7)))
  const before = Buffer.from(bytes).toString('hex')
  const scalar = field.decode(bytes)
  if (scalar === undefined) expect.fail('no scalar')
  field.wipe(scalar)
  expect(bytes.toString('hex')).toBe(before)
})
