import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Document, Group, newFolder, type RunningRelay, serveRelay, type Told } from '../e2e/support.ts'
import { built, quorate } from '../support/cli.ts'
import { report } from '../support/report.ts'
import { administrator, awsEnvironment, counterparts } from './aws.ts'
import { absent } from './installed.ts'
import { type Running, startCounterpart } from './start.ts'

/** Three sites, each under a key of AWS KMS in a region of its own, by the commands that operators type. */

const [localstack] = counterparts
const gone = absent(localstack.name)
const regions: Readonly<Record<string, string>> = { eu: 'eu-central-1', us: 'us-east-1', ap: 'ap-southeast-2' }
/** One each: whoever administers an account in which two sites have their keys opens both. */
const accounts: Readonly<Record<string, string>> = { eu: '111111111111', us: '222222222222', ap: '333333333333' }

describe.skipIf(gone !== undefined)(gone ?? 'three sites with keys of AWS KMS', () => {
  let work: ReturnType<typeof newFolder>
  const arns: Record<string, string> = {}
  let group: Group
  let server: Running
  let relay: RunningRelay

  beforeAll(async () => {
    await built()
    work = newFolder('aws by hand')
    server = await startCounterpart(localstack)
    for (const [site, region] of Object.entries(regions))
      arns[site] = await administrator(server.url, region, accounts[site]).create()
    const keys = Object.entries(arns).map(([site, arn]) => [
      site,
      { kms: `aws-kms:${arn}`, env: awsEnvironment(server.url, accounts[site]) },
    ])
    group = new Group(work.path, Object.keys(regions), Object.fromEntries(keys))
    relay = await serveRelay()
  })
  afterAll(async () => {
    await relay?.stop()
    await server?.stop()
    work?.remove()
  })

  const ok = async (site: string, ...args: string[]): Promise<Document> => {
    const ran = await group.run(site, ...args)
    expect(ran.code, ran.stdout).toBe(0)
    // Neither the SDK nor Node adds a word of its own.
    expect(ran.stderr).not.toMatch(/NodeVersionSupport|Deprecation|\(node:/)
    return ran.document
  }
  const approve = async (
    topic: 'keygen' | 'sign',
    sites: readonly string[],
    file: string,
    ...more: string[]
  ): Promise<void> => {
    const { ceremony } = await ok('eu', topic, 'plan', '--definition', file)
    for (const site of sites) await ok(site, topic, 'approve', '--definition', file, '--confirm', ceremony, ...more)
  }
  const joinAll = (topic: 'keygen' | 'sign', sites: readonly string[], file: string): Promise<readonly Told[]> =>
    Promise.all(sites.map((site) => group.join(site, topic, file).ended))
  const verify = async (trust: string, bundle: string): Promise<void> => {
    const verified = await ok('eu', 'audit', 'verify', '--bundle', bundle, '--trust', trust)
    expect(verified).toMatchObject({ verdict: 'valid', failed: 0 })
  }
  /** A signature of these sites, approved by them. */
  const planned = async (name: string, sites: readonly string[]): Promise<string> => {
    const [message, file] = [group.write(`${name}.txt`, `pay ${name}`), group.path(`${name}.yaml`)]
    await ok('eu', 'sign', 'plan', '--key', 'treasury', '--name', name, '--message', message, '--out', file)
    await approve('sign', sites, file, '--message', message)
    return file
  }

  test('make a key, sign with two of them, and prove it', async () => {
    await group.create()
    const shown = await quorate(['identity', 'show'], group.as('eu'))
    expect(shown.stdout).toContain(`aws-kms:${arns['eu']}`)

    for (const site of group.names) {
      const { keys } = await ok(site, 'kms', 'doctor')
      const good = ['seals', 'opens', 'bound'].map((check) => expect.objectContaining({ check, state: 'ok' }))
      expect(keys).toMatchObject([{ key: `aws-kms:${arns[site]}`, region: regions[site], checks: good }])
    }

    const keygen = group.path('treasury.yaml')
    const cards = group.names.flatMap((name) => ['--site', group.path(`${name}.card`)])
    const about = ['--name', 'treasury', '--protocol', 'frost-ed25519', '--threshold', '2']
    const plan = await ok('eu', 'keygen', 'plan', ...about, ...cards, '--relay', relay.address, '--out', keygen)
    expect(plan.findings).toEqual([])
    await approve('keygen', group.names, keygen)
    const begun = performance.now()
    const made = await joinAll('keygen', group.names, keygen)
    report(`a keygen under three keys of AWS KMS took ${Math.round(performance.now() - begun)} ms`)
    for (const ran of made) expect(ran.code, ran.stdout).toBe(0)

    const file = await planned('first', ['eu', 'us'])
    const signed = await joinAll('sign', ['eu', 'us'], file)
    for (const ran of signed) expect(ran.code, ran.stdout).toBe(0)
    const trust = group.trust()
    for (const ran of [...made, ...signed]) await verify(trust, ran.document.bundle)
  })

  test('a site whose key was disabled says so, and the others sign', async () => {
    const file = await planned('second', group.names)
    await administrator(server.url, 'eu-central-1', accounts['eu']).disable(arns['eu'] ?? '')
    const refused = await quorate(['sign', 'join', '--definition', file, '--no-input'], group.as('eu'))
    expect([refused.code, refused.stdout]).toEqual([5, ''])
    expect(refused.stderr.replaceAll(/\s+/g, ' ')).toMatch(
      /error the KMS key aws-kms:arn:aws:kms:eu-central-1:\d{12}:key\/[0-9a-f-]{36} is disabled, or is about to be deleted \(DisabledException: this key is disabled\.\) hint enable it at the provider, then run the same command again code E_KMS_UNAVAILABLE \(exit 5\) $/,
    )
    report(refused.stderr)
    const signed = await joinAll('sign', ['us', 'ap'], file)
    for (const ran of signed) expect(ran.code, ran.stdout).toBe(0)
    for (const ran of signed) await verify(group.trust(), ran.document.bundle)

    await administrator(server.url, 'eu-central-1', accounts['eu']).enable(arns['eu'] ?? '')
    const again = await joinAll('sign', ['eu', 'us'], await planned('third', ['eu', 'us']))
    for (const ran of again) expect(ran.code, ran.stdout).toBe(0)
  })

  test('a site without credentials is told so by its join', async () => {
    const file = await planned('fourth', ['eu'])
    const env = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }
    const ran = await quorate(['sign', 'join', '--definition', file, '--no-input'], group.as('eu', env))
    expect(ran.code).toBe(5)
    expect(ran.stderr.replaceAll(/\s+/g, ' ')).toContain('(CredentialsProviderError: no AWS credentials')
  })
})
