import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { awsKmsWithin } from '../../src/kms/aws-kms.ts'
import { KMS_DEADLINE } from '../../src/kms/fault.ts'
import type { KmsKey } from '../../src/kms/port.ts'
import type { Hash, Index } from '../../src/lib/brand.ts'
import { Secret } from '../../src/lib/secret.ts'
import { envelopeHash } from '../../src/records/sealed-shard.ts'
import { openShard, sealShard } from '../../src/shards/seal.ts'
import { kmsComplies } from '../compliance/kms.ts'
import { seededRandom } from '../support/random.ts'
import { report } from '../support/report.ts'
import { administrator, type Behaviour, counterparts, motoWithPolicies, stubAwsEnvironment } from './aws.ts'
import { absent } from './installed.ts'
import { type Running, startCounterpart } from './start.ts'

const context = 'ab'.repeat(32) as Hash
const bytes = new Uint8Array(32).fill(9)
const piece = (): Secret => new Secret(Uint8Array.from(bytes))
const machine = { home: '/home/of/nobody', random: seededRandom('counterparts') }
const [eu, us] = ['eu-central-1', 'us-east-1'] as const

const failure = (work: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> =>
  work.then(
    () => expect.fail('it was done'),
    (fault) => fault,
  )

describe.each(counterparts)('$name', (one) => {
  const gone = absent(one.name)
  const cannot: Readonly<Partial<Record<Behaviour, string>>> = one.cannot
  /** A test of a behaviour; where the counterpart lacks it, its name says why it does not run. */
  const shows = (behaviour: Behaviour, name: string, act: () => Promise<void>) => {
    const why = cannot[behaviour]
    it.skipIf(why !== undefined)(why === undefined ? name : `${name}: not here, ${why}`, act)
  }

  describe.skipIf(gone !== undefined)(gone ?? 'plays AWS KMS', () => {
    let server: Running
    let kms: ReturnType<typeof awsKmsWithin>
    let pair: readonly [string, string]
    const newKey = async (region: string = eu): Promise<{ readonly arn: string; readonly key: KmsKey }> => {
      const arn = await administrator(server.url, region).create()
      return { arn, key: await kms.open(arn, machine) }
    }

    beforeAll(async () => {
      const begun = performance.now()
      server = await startCounterpart(one)
      report(`${one.name} was ready after ${Math.round(performance.now() - begun)} ms`)
      stubAwsEnvironment(server.url)
      kms = awsKmsWithin(KMS_DEADLINE)
      const { create } = administrator(server.url, eu)
      pair = [await create(), await create()]
    })
    afterAll(async () => {
      vi.unstubAllEnvs()
      await server?.stop()
    })

    kmsComplies('a key of AWS KMS', async () => ({
      open: async () => [await kms.open(pair[0], machine), await kms.open(pair[1], machine)] as const,
      refusals: ['E_KMS_DENIED'],
    }))

    it('seals and opens a share', async () => {
      const { arn, key } = await newKey()
      const core = {
        kind: 'keygen',
        key: context,
        protocol: 'frost-ed25519',
        epoch: 1,
        index: 2 as Index,
        threshold: 2,
        sites: 3,
        verifyingShare: 'cd'.repeat(32),
        outcome: context,
        jurisdiction: 'EU',
        access: 'one-key',
      } as const
      const took: { readonly seal: number; readonly open: number }[] = []
      for (let n = 0; n < 20; n++) {
        const times = [performance.now()]
        const sealed = await sealShard({ core, share: piece(), keys: [key], random: machine.random })
        times.push(performance.now())
        const share = await openShard(sealed, envelopeHash(sealed), [key])
        times.push(performance.now())
        expect(share.reveal()).toEqual(bytes)
        took.push({ seal: (times[1] ?? 0) - (times[0] ?? 0), open: (times[2] ?? 0) - (times[1] ?? 0) })
      }
      const median = (of: 'seal' | 'open') =>
        took
          .map((time) => time[of])
          .sort((a, b) => a - b)[10]
          ?.toFixed(1)
      report(`${one.name}: a share is sealed in ${median('seal')} ms and opened in ${median('open')} ms`)
      expect(arn).toContain(`:kms:${eu}:`)
    })

    it('has no key of a name that nobody gave', async () => {
      const { arn, key } = await newKey()
      const unknown = await kms.open(arn.replace(/[^/]+$/, randomUUID()), machine)
      const missing = { code: 'E_KMS_UNAVAILABLE', message: expect.stringContaining('is not there (NotFoundException') }
      expect(await failure(unknown.wrap(piece(), context))).toMatchObject(missing)
      const made = await key.wrap(piece(), context)
      expect((await failure(unknown.unwrap(made, context))).code).toMatch(/^E_KMS_(?:DENIED|UNAVAILABLE)$/)
    })

    it('opens no piece of another region', async () => {
      const [here, there] = [await newKey(eu), await newKey(us)]
      expect(there.arn).toContain(`:kms:${us}:`)
      const made = await here.key.wrap(piece(), context)
      // Some servers do not know the key that the piece names, others that it is not the one asked.
      expect((await failure(there.key.unwrap(made, context))).code).toMatch(/^E_KMS_(?:DENIED|UNAVAILABLE)$/)
      expect((await here.key.unwrap(made, context)).reveal()).toEqual(bytes)
    })

    shows('disabling', 'opens nothing by a key that is disabled, and opens all again when it is enabled', async () => {
      const { arn, key } = await newKey()
      const made = await key.wrap(piece(), context)
      await administrator(server.url, eu).disable(arn)
      const disabled = { code: 'E_KMS_UNAVAILABLE', message: expect.stringContaining('is disabled') }
      expect(await failure(key.unwrap(made, context))).toMatchObject(disabled)
      expect(await failure(key.wrap(piece(), context))).toMatchObject(disabled)
      await administrator(server.url, eu).enable(arn)
      expect((await key.unwrap(made, context)).reveal()).toEqual(bytes)
    })

    shows('deletion', 'opens nothing by a key that waits for its deletion', async () => {
      const { arn, key } = await newKey()
      const made = await key.wrap(piece(), context)
      await administrator(server.url, eu).scheduleDeletion(arn)
      const doomed = { code: 'E_KMS_UNAVAILABLE', message: expect.stringContaining('is about to be deleted') }
      expect(await failure(key.unwrap(made, context))).toMatchObject(doomed)
      expect(await failure(key.wrap(piece(), context))).toMatchObject(doomed)
    })

    shows('rotation', 'opens what it wrapped before its material was changed', async () => {
      const { arn, key } = await newKey()
      const before = await key.wrap(piece(), context)
      await administrator(server.url, eu).rotate(arn)
      const after = await key.wrap(piece(), context)
      for (const made of [before, after]) expect((await key.unwrap(made, context)).reveal()).toEqual(bytes)
    })
  })
})

describe('moto with policies', () => {
  const gone = absent(motoWithPolicies.name)
  const user = 'site'
  const mayWrap = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: ['kms:Encrypt'], Resource: '*' }],
  })

  /** A form, as IAM takes it. */
  const iam = async (url: string, form: Readonly<Record<string, string>>): Promise<string> => {
    const response = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams({ Version: '2010-05-08', ...form }),
      headers: { authorization: 'AWS4-HMAC-SHA256 Credential=test/20261130/us-east-1/iam/aws4_request' },
    })
    const text = await response.text()
    expect(response.status, text).toBe(200)
    return text
  }

  describe.skipIf(gone !== undefined)(gone ?? 'plays AWS KMS', () => {
    it('refuses a site what its policy does not allow, and one that nobody knows', async () => {
      const server = await startCounterpart(motoWithPolicies)
      try {
        const arn = await administrator(server.url, eu).create()
        await iam(server.url, { Action: 'CreateUser', UserName: user })
        await iam(server.url, { Action: 'PutUserPolicy', UserName: user, PolicyName: 'p', PolicyDocument: mayWrap })
        const made = await iam(server.url, { Action: 'CreateAccessKey', UserName: user })
        stubAwsEnvironment(server.url)
        vi.stubEnv('AWS_ACCESS_KEY_ID', /<AccessKeyId>([^<]+)/.exec(made)?.[1])
        vi.stubEnv('AWS_SECRET_ACCESS_KEY', /<SecretAccessKey>([^<]+)/.exec(made)?.[1])
        const key = await awsKmsWithin(KMS_DEADLINE).open(arn, machine)
        const wrapped = await key.wrap(piece(), context)
        expect(await failure(key.unwrap(wrapped, context))).toMatchObject({
          code: 'E_KMS_DENIED',
          message: expect.stringMatching(/refuses this site \(\w+: [^)]+\)$/),
        })
        vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIANOBODY')
        const stranger = await awsKmsWithin(KMS_DEADLINE).open(arn, machine)
        expect((await failure(stranger.wrap(piece(), context))).code).toMatch(/^E_KMS_(?:DENIED|UNAVAILABLE)$/)
      } finally {
        vi.unstubAllEnvs()
        await server.stop()
      }
    })
  })
})
