import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readPassphrase } from '../../src/cli/secret-input.ts'
import { inputBytes } from '../../src/host/input.ts'
import { finished, start } from '../support/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'quorate-pipe-'))
afterAll(() => rmSync(folder, { recursive: true }))

let made = 0
const pipe = (): string => {
  const path = join(folder, `pipe-${++made}`)
  execFileSync('mkfifo', [path])
  return path
}

const all = async (bytes: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('an input', () => {
  it('may be a file, also an empty one', async () => {
    const path = join(folder, 'file')
    writeFileSync(path, '')
    expect(await all(inputBytes(path))).toBe('')
    appendFileSync(path, 'x'.repeat(200_000))
    expect(await all(inputBytes(path))).toBe('x'.repeat(200_000))
  })

  it('may be a pipe that gets its writer later', async () => {
    const path = pipe()
    const read = all(inputBytes(path))
    spawn('sh', ['-c', 'sleep 0.1; (printf one; sleep 0.1; printf two) > "$1"', 'sh', path])
    expect(await read).toBe('onetwo')
  })

  it('that never gets one is waited for until somebody says stop', async () => {
    const stop = new AbortController()
    const read = all(inputBytes(pipe(), stop.signal))
    stop.abort(new Error('enough'))
    await expect(read).rejects.toThrow('enough')
  })

  it('may be a passphrase from such a pipe', async () => {
    const path = pipe()
    const read = readPassphrase({ file: path, noInput: true, message: '' })
    spawn('sh', ['-c', 'sleep 0.1; echo words > "$1"', 'sh', path])
    expect(Buffer.from((await read).reveal()).toString()).toBe('words')
  })
})

describe('a command that waits for a pipe', () => {
  it.each([
    ['keygen', 'join', '--definition'],
    ['keygen', 'plan', '--definition'],
    ['audit', 'verify', '--trust-stated', '--bundle'],
  ])('%s %s ends at the first Ctrl-C', async (...command) => {
    const child = start([...command, pipe()], { env: { QUORATE_HOME: folder } })
    // Its handler is there once it has begun to read.
    const tries = setInterval(() => child.kill('SIGINT'), 1000)
    const { code } = await finished(child)
    clearInterval(tries)
    expect(code).toBe(130)
  })
})
