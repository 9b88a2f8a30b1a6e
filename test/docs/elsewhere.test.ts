import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Chain, memoryChain } from '../support/bundles.ts'
import { root } from '../support/cli.ts'

/** The shell block under each heading. */
const blocks = new Map<string, string>()
for (const section of readFileSync(join(root, 'docs/verify-elsewhere.md'), 'utf8').split(/^## /m)) {
  const [, heading = '', block = ''] = /^(.*)\n[\s\S]*?^```\n([\s\S]*?)^```$/m.exec(section) ?? []
  blocks.set(heading, block)
}

const folder = mkdtempSync(join(tmpdir(), 'quorate elsewhere '))
const treasury = join(folder, 'treasury')
const payout = join(folder, 'payout')
let chain: Chain
let env: NodeJS.ProcessEnv

const run = (under: string, cwd: string) =>
  spawnSync('bash', ['--norc', '--noprofile', '-euo', 'pipefail', '-c', blocks.get(under) ?? 'exit 99'], {
    cwd,
    env,
    encoding: 'utf8',
  })
const say = (under: string, cwd: string): string => {
  const { status, stdout, stderr } = run(under, cwd)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

beforeAll(async () => {
  chain = await memoryChain()
  const identity = chain.keygen.sites.find(({ name }) => name === 'eu')?.identity
  env = { PATH: process.env['PATH'], LANG: 'C', IDENTITY: identity }
  writeFileSync(join(folder, 'treasury.bundle'), chain.keygenBundle)
  writeFileSync(join(folder, 'payout.bundle'), chain.signBundle)
  mkdirSync(payout)
  execFileSync('tar', ['xf', join(folder, 'payout.bundle'), '-C', payout])
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('verification with other tools, as the page tells it', () => {
  it('tar unpacks, and every file is in the manifest', () => {
    say('Unpack', folder)
    expect(say('Every file is in the manifest', treasury)).toBe('')
    const path = join(treasury, 'outputs/public-key.hex')
    const bytes = readFileSync(path)
    writeFileSync(path, '00\n')
    expect(run('Every file is in the manifest', treasury).status).not.toBe(0)
    writeFileSync(path, bytes)
  })

  it('openssl verifies the manifest under the identity', () => {
    say('An identity as a PEM key', treasury)
    expect(say('The manifest is signed: openssl', treasury)).toMatch(/Verified Successfully/)
    const path = join(treasury, 'manifest.json')
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, text.replace('keygen', 'keygun'))
    expect(run('The manifest is signed: openssl', treasury).status).not.toBe(0)
    writeFileSync(path, text)
  })

  it('the log key is the one that the identity certified', () => {
    expect(say("A log is signed: Go's note package", treasury)).toMatch(/^[0-9a-f]{64}\n$/)
  })

  it('openssl verifies the signature', () => {
    expect(say('The signature', payout)).toMatch(/Verified Successfully/)
  })
})
