import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { definitionYaml } from '../../src/records/definition-yaml.ts'
import type { Relay } from '../../src/transport/relay/server.ts'
import { bin, finished, quorate, type Ran } from '../support/cli.ts'
import { signDefinition } from '../support/definition.ts'
import { relayOn } from '../transport/relay-support.ts'

const base = mkdtempSync(join(tmpdir(), 'quorate-files-'))
const at = (name: string): string => join(base, name)
const failed = (ran: Ran): unknown => [ran.code, JSON.parse(ran.stdout).error?.code]
const planArgs = (out: string): readonly string[] => [
  ...['keygen', 'plan', '--name', 'treasury', '--protocol', 'frost-ed25519', '--threshold', '2'],
  ...['--site', at('eu.card'), '--site', at('us.card'), '--relay', relay.url, '--out', out, '--json'],
]
let relay: Relay
let ceremony: string
let approvals: string

beforeAll(async () => {
  relay = await relayOn()
  for (const name of ['eu', 'us']) {
    const control = ['--jurisdiction', name, '--control', `${name}/${name}/${name}`]
    const where = ['--home', at(name), '--kms', `local:${at(`kms/${name}.key`)}`, '--no-passphrase']
    await quorate(['identity', 'create', '--name', name, ...where, ...control])
    writeFileSync(at(`${name}.card`), (await quorate(['identity', 'card', '--home', at(name)])).stdout)
  }
  ceremony = JSON.parse((await quorate(planArgs(at('treasury.yaml')))).stdout).ceremony
  approvals = join(at('us'), 'ceremonies', `${ceremony.slice(0, 4)}-${ceremony.slice(4, 8)}`, 'approvals')
})
afterAll(async () => {
  await relay.close()
  rmSync(base, { recursive: true })
})

const us = (verb: string, ...more: string[]): Promise<Ran> =>
  quorate(['keygen', verb, '--home', at('us'), '--definition', at('treasury.yaml'), '--json', ...more])

describe('files that are not what they should be', () => {
  it('neither keep a site from approving, from saying where it stands, nor from leaving', async () => {
    mkdirSync(approvals, { recursive: true })
    for (const name of ['us.dsse', 'eu.dsse', 'eu (1).dsse']) writeFileSync(join(approvals, name), 'no approval')
    mkdirSync(join(at('us'), 'ceremonies', 'an old copy'))
    const approved = await us('approve', '--confirm', ceremony)
    expect(approved.code, approved.stdout).toBe(0)
    expect(JSON.parse(readFileSync(join(approvals, 'us.dsse'), 'utf8'))).toHaveProperty('signatures')
    const status = await quorate(['keygen', 'status', '--home', at('us'), '--offline', '--json'])
    expect(JSON.parse(status.stdout).members).toMatchObject([{ approved: false }, { approved: true }])
    expect(failed(await us('join'))).toEqual([2, 'E_FILE'])
    expect((await us('abort', '--confirm', ceremony)).code).toBe(0)
  })

  it('are a usage fault, not a fault of quorate', async () => {
    symlinkSync('circle', at('circle'))
    for (const path of [at('circle'), at('x'.repeat(300))])
      expect(failed(await quorate(['keygen', 'plan', '--definition', path, '--json']))).toEqual([2, 'E_FILE'])
    const tls = ['--tls-certificate', at('eu.card'), '--tls-key', at('eu.card')]
    expect(failed(await quorate(['relay', 'serve', '--port', '0', '--json', ...tls]))).toEqual([2, 'E_FILE'])
    const limit = ['--limit', 'constructor=1']
    expect(failed(await quorate(['relay', 'serve', '--port', '0', '--json', ...limit]))).toEqual([2, 'E_USAGE'])
  })

  it('keep a site from a signature that it could not write down', async () => {
    const definition = await signDefinition()
    writeFileSync(at('sign.yaml'), definitionYaml(definition))
    writeFileSync(at('there.sig'), 'of another ceremony')
    const before = readdirSync(at('eu'), { recursive: true })
    const eu = (out: string): Promise<Ran> =>
      quorate(['sign', 'join', '--home', at('eu'), '--definition', at('sign.yaml'), '--out', out, '--json'])
    expect(failed(await eu(at('nowhere/out.sig')))).toEqual([2, 'E_FILE'])
    expect(failed(await eu(at(`${'x'.repeat(300)}.sig`)))).toEqual([2, 'E_FILE'])
    expect(failed(await eu(at('there.sig')))).toEqual([2, 'E_EXISTS'])
    expect(readFileSync(at('there.sig'), 'utf8')).toBe('of another ceremony')
    expect(readdirSync(at('eu'), { recursive: true })).toEqual(before)

    // This one could be written: the join begins, and what ends it is that the site is not in the definition.
    expect(failed(await eu(at('out.sig')))).toEqual([1, 'E_NOT_ALLOWED'])
    expect(existsSync(at('out.sig'))).toBe(false)
  })

  it.runIf(existsSync('/dev/zero'))(
    'are read no further than their limit, though a device says that it is empty',
    async () => {
      writeFileSync(at('endless.yaml'), definitionYaml(await signDefinition()))
      const ran = await quorate([
        ...[
          'sign',
          'approve',
          '--home',
          at('eu'),
          '--definition',
          at('endless.yaml'),
          '--message',
          '/dev/zero',
          '--json',
        ],
      ])
      expect(failed(ran)).toEqual([2, 'E_USAGE'])
    },
  )

  it.runIf(process.platform === 'linux')('are not left behind where they could not be written whole', async () => {
    const args = [process.execPath, bin, ...planArgs(at('half.yaml'))].map((word) => `'${word}'`).join(' ')
    // Not in one call that waits: the relay that it asks is in this process.
    expect(failed(await finished(spawn('sh', ['-c', `ulimit -f 1; exec ${args}`])))).toEqual([5, 'E_DISK'])
    expect(existsSync(at('half.yaml'))).toBe(false)
  })
})
