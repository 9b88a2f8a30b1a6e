import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openRoot } from '../../src/host/disk.ts'
import { createHome } from '../../src/identity/home.ts'
import { abortCeremony } from '../../src/site/abort.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { siteOptions } from '../support/home.ts'
import { seededRandom } from '../support/random.ts'

const folder = mkdtempSync(join(tmpdir(), 'quorate-stranger-'))
afterAll(() => rmSync(folder, { recursive: true }))

const files = (): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((name) => {
        const path = join(folder, name)
        return [name, statSync(path).isDirectory() ? 'a folder' : readFileSync(path).toString('hex')]
      }),
  )

describe('abort in a home that is no member of the definition', () => {
  it('is refused and writes nothing', async () => {
    const disk = await openRoot(folder)
    await createHome(disk, siteOptions('nobody'), seededRandom('home nobody'))
    await disk.close()
    const before = files()
    const definition = await keygenDefinition({ sites: await siteEntries(['eu', 'us', 'ap']) })
    await expect(abortCeremony({ home: folder, definition, reason: 'not mine' })).rejects.toMatchObject({
      code: 'E_NOT_ALLOWED',
    })
    expect(files()).toEqual(before)
  })
})
