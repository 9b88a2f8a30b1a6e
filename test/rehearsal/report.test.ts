import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { openHome } from '../../src/identity/home.ts'
import type { IdentityKey } from '../../src/identity/identity-key.ts'
import type { Hash } from '../../src/lib/brand.ts'
import type { QuorateError } from '../../src/lib/errors.ts'
import { definitionYaml } from '../../src/records/definition-yaml.ts'
import { type RehearsalReport, rehearsalCodec } from '../../src/records/rehearsal.ts'
import { readReport, signReport } from '../../src/site/rehearsal-report.ts'
import { runRehearsal } from '../../src/site/rehearse.ts'
import { writeHome } from '../hostile/ceremonies.ts'
import { keygenDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { filesUnder, NOW, rehearsal } from './support.ts'

const facts = {
  ...{ ceremony: 'ab'.repeat(32) as Hash, kind: 'keygen', name: 'treasury', protocol: 'frost-ed25519' },
  ...{ at: NOW, seed: 'seed', build: 'b1'.repeat(32) as Hash, runtime: 'node 20.20.2' },
}

const keyOf = async (name: string): Promise<IdentityKey> => (await openHome((await memoryHome(name)).disk)).unlock()

describe('the report of a rehearsal', () => {
  let envelope: Uint8Array
  let report: RehearsalReport
  let eu: IdentityKey
  beforeAll(async () => {
    eu = await keyOf('eu')
    const faults = ['kill:us:ready', 'lie:ap:9']
    envelope = await signReport(eu, facts, await rehearsal({ definition: await keygenDefinition(), faults }))
    report = readReport(envelope, eu.identity)
  })

  it('says what was shown, signed by the identity that ran it', () => {
    expect(report).toMatchObject({ ...facts, identity: eu.identity })
    expect(report.faults).toEqual([
      { fault: 'kill:us:ready', happened: true },
      { fault: 'lie:ap:9', happened: false },
    ])
    expect(report.first.joins.map(({ site, code, exit, killed }) => [site, code, exit, killed])).toEqual([
      ['eu', 'E_NOT_FINISHED', 3, null],
      ['us', null, null, 'ready'],
      ['ap', 'E_NOT_FINISHED', 3, null],
    ])
    expect(report.first.end.state).toBe('undecided')
    expect(report.again?.joins.map(({ exit }) => exit)).toEqual([0, 0, 0])
    expect(report.again?.end.state).toBe('made')
  })

  it('opens under no other key than that of the identity in it', async () => {
    const { signer } = await keyOf('us')
    const other = toEnvelope(await signer.sign(rehearsalCodec, report))
    expect(() => readReport(other, eu.identity)).toThrow(/^not such a report: /)
  })

  it('opens no more once a byte is another', () => {
    const text = Buffer.from(envelope).toString()
    const { payload } = JSON.parse(text) as { payload: string }
    const changed = Buffer.from(Buffer.from(payload, 'base64').toString().replace('"made"', '"nothing"')).toString(
      'base64',
    )
    expect(() => readReport(Buffer.from(text.replace(payload, changed)), eu.identity)).toThrow(/^not such a report/)
  })

  it('counts by the trust file, and while its signer was not revoked', () => {
    const at = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`
    const code = (trust: string) => {
      try {
        return readReport(envelope, trust).name
      } catch (error) {
        return (error as QuorateError).code
      }
    }
    expect(code(eu.identity)).toBe('treasury')
    expect(code(`${eu.identity} revoked ${at(NOW + 60_000)}`)).toBe('treasury')
    expect(code(`${eu.identity} revoked ${at(NOW - 60_000)}`)).toBe('E_REFUSED')
    expect(code('# nobody')).toBe('E_REFUSED')
  })

  it('is signed by no relay', async () => {
    const relay = await memoryHome('relay', { role: 'relay' })
    const key = await (await openHome(relay.disk)).unlock()
    await expect(key.signer.sign(rehearsalCodec, report)).rejects.toThrow(TypeError)
  })
})

describe('a rehearsal beside a home', () => {
  it('leaves every byte of it as it was, and opens none of it without --home', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'quorate rehearsal '))
    try {
      const { disk } = await memoryHome('eu')
      const home = join(folder, 'eu')
      await writeHome(home, disk.files)
      const before = await filesUnder(home)
      const wanted = {
        definition: definitionYaml(await keygenDefinition()),
        ...{ seed: undefined, as: undefined, message: undefined, faults: ['kill:eu:ready'] },
        passphrase: async () => {
          throw new Error('nobody is asked')
        },
      }
      const { report, shown } = await runRehearsal({ ...wanted, home })
      expect(report && readReport(report.bytes, shown.signer ?? '')).toMatchObject({
        identity: shown.signer,
        seed: shown.seed,
      })
      expect((await runRehearsal({ ...wanted, home: undefined })).report).toBeUndefined()
      expect(await filesUnder(home)).toEqual(before)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
