import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { refuseStdinTwice } from '../../src/cli/files.ts'
import { withSpooled } from '../../src/host/spool.ts'
import { showBundle } from '../../src/site/bundles.ts'
import { built, finished, root, start } from '../support/cli.ts'

const bundle = join(root, 'test/compat/v0.1/keygen.bundle')
const folder = mkdtempSync(join(tmpdir(), 'quorate-input-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('a bundle that is no regular file', () => {
  it('comes through stdin', async () => {
    await built()
    const child = start(['audit', 'verify', '--trust-stated', '--json', '--bundle', '-'])
    child.stdin?.end(readFileSync(bundle))
    const { code, stdout } = await finished(child)
    expect([code, (JSON.parse(stdout) as { verdict: string }).verdict]).toEqual([0, 'valid'])
  })

  it('comes through a pipe that has a name', async () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    spawn('sh', ['-c', 'cat "$1" > "$2"', 'sh', bundle, pipe])
    expect((await showBundle(pipe, false)).kind).toBe('keygen')
  })

  it.each(['/dev/zero', folder])('is refused where it is %s', async (path) => {
    await expect(showBundle(path, false)).rejects.toMatchObject({
      code: 'E_FILE',
      message: `${path} is no regular file`,
      hint: expect.stringContaining('--bundle -'),
    })
  })
})

it('stdin is read by one flag of a command', () => {
  expect(() => refuseStdinTwice(['-', undefined, 'a'])).not.toThrow()
  expect(() => refuseStdinTwice(['-', undefined, '-'])).toThrow(expect.objectContaining({ code: 'E_USAGE' }))
})

describe('what comes in once', () => {
  it('is refused over the limit, and leaves nothing behind', async () => {
    async function* bytes() {
      yield new Uint8Array(3)
      yield new Uint8Array(3)
    }
    const size = (most: number) => withSpooled(bytes(), async (file) => (await file.stat()).size, most)
    expect(await size(6)).toBe(6)
    await expect(size(5)).rejects.toMatchObject({ code: 'E_FILE' })
  })
})
