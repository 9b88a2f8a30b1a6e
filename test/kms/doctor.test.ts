import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { definitionYaml } from '../../src/records/definition-yaml.ts'
import { askKmsKeys } from '../../src/site/kms-doctor.ts'
import { createIdentity } from '../../src/site/setup.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'

/** Seals by naming key and context, and opens what it sealed itself; `may` holds the keys that the token may use. */
const transitServer = async (may: ReadonlySet<string>) => {
  const asked: string[] = []
  const server: Server = createServer((request, response) => {
    let text = ''
    request.on('data', (part) => {
      text += part
    })
    request.on('end', () => {
      const [verb = '', key = ''] = (request.url ?? '').split('/').slice(-2)
      asked.push(`${verb} ${key} ${request.headers['x-vault-token']}`)
      const send = (status: number, body: unknown): void => void response.writeHead(status).end(JSON.stringify(body))
      const { plaintext, ciphertext, associated_data: context } = JSON.parse(text)
      if (!may.has(key)) return send(403, { errors: ['permission denied'] })
      if (verb === 'encrypt') {
        const sealed = Buffer.from(JSON.stringify([key, context, plaintext])).toString('base64')
        return send(200, { data: { ciphertext: `vault:v1:${sealed}` } })
      }
      const [under, bound, piece] = JSON.parse(Buffer.from(ciphertext.slice(9), 'base64').toString())
      if (under !== key || bound !== context) return send(400, { errors: ['cipher: message authentication failed'] })
      return send(200, { data: { plaintext: piece } })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { asked, close, at: `transit:http://127.0.0.1:${(server.address() as AddressInfo).port}/transit/` }
}

describe('the doctor of KMS keys, at the keys of other sites', () => {
  let folder: string
  let may: Set<string>
  let here: Awaited<ReturnType<typeof transitServer>>
  let elsewhere: Awaited<ReturnType<typeof transitServer>>
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'quorate doctor ')))
    may = new Set(['eu'])
    here = await transitServer(may)
    elsewhere = await transitServer(new Set())
    await createIdentity({
      ...{ home: join(folder, 'eu'), name: 'eu', role: 'site', kms: [`${here.at}eu`], stores: ['home'] },
      ...{ jurisdiction: 'EU', control: 'eu', passphrase: undefined, kmsPassphrase: undefined },
    })
  })
  afterEach(async () => {
    await Promise.all([here.close(), elsewhere.close()])
    await rm(folder, { recursive: true })
  })

  /** The line of another site's key, and how it stands. */
  const apart = async (key: string): Promise<readonly string[]> => {
    const [provider = '', ...rest] = key.split(':')
    const sites = (await siteEntries(['us', 'ap'])).map((site, n) =>
      n === 0
        ? { ...site, kms: [{ provider, key: rest.join(':') }] }
        : { ...site, kms: [{ provider: 'local', key: '/no' }] },
    )
    const keys = await askKmsKeys({
      home: join(folder, 'eu'),
      definition: definitionYaml(await keygenDefinition({ sites })),
      environment: { BAO_TOKEN: 'hvs.eu' },
    })
    const [, us] = keys
    return [us?.site ?? '', us?.checks[0]?.state ?? '', us?.checks[0]?.said ?? '']
  }

  it('says that a key refuses this site, which its own key knows', async () => {
    expect(await apart(`${here.at}us`)).toEqual(['us', 'ok', 'refuses to seal for this site'])
  })

  it('says that this site may use it', async () => {
    may.add('us')
    expect(await apart(`${here.at}us`)).toEqual(['us', 'failed', 'this site may use the key of us'])
  })

  it('takes no refusal of credentials that its own key does not know either', async () => {
    may.clear()
    expect(await apart(`${here.at}us`)).toEqual([
      'us',
      'left',
      expect.stringMatching(/refuses this site.*no own key there/),
    ])
  })

  it('shows its credentials to no host that only the other site’s card names', async () => {
    expect(await apart(`${elsewhere.at}us`)).toEqual([
      'us',
      'left',
      expect.stringMatching(/^not asked: .* 127\.0\.0\.1/),
    ])
    expect(elsewhere.asked).toEqual([])
    expect(here.asked).toEqual(['encrypt eu hvs.eu', 'decrypt eu hvs.eu', 'decrypt eu hvs.eu'])
  })

  it('loads no module that only the other site’s card names, and shows no PIN to its token', async () => {
    expect(await apart('pkcs11:token=us;object=quorate?module-path=/nowhere/of-us.so')).toEqual([
      'us',
      'left',
      'not asked: none of this site’s own keys is at token=us of /nowhere/of-us.so, which would be shown its credentials',
    ])
  })

  it('goes on where a card names what is no key', async () => {
    for (const key of ['transit:https://1.2.3.4.5/transit/us', 'aws-kms:x', 'nobody:x'])
      expect((await apart(key))[1]).toBe('left')
  })
})
