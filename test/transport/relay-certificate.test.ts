import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { QuorateError } from '../../src/lib/errors.ts'
import { readCertificate, renewCertificate } from '../../src/site/relay-certificate.ts'
import type { Relay, RelayEvent, RelayTls } from '../../src/transport/relay/server.ts'
import { handClock } from './hand-clock.ts'
import { relayOn } from './relay-support.ts'
import { until } from './support.ts'

let folder: string
const made = (name: string, ...algorithm: readonly string[]): RelayTls => {
  const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
  execFileSync(
    'openssl',
    // biome-ignore format: one option a word
    ['req', '-x509', '-newkey', ...algorithm, '-nodes', '-keyout', key, '-out', certificate, '-days', '2',
      '-subj', '/CN=localhost'],
    { stdio: 'ignore' },
  )
  return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') }
}
const EC = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] as const
let old: RelayTls
let renewed: RelayTls
let rsa: RelayTls
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-tls-'))
  old = made('old', ...EC)
  renewed = made('renewed', ...EC)
  rsa = made('rsa', 'rsa:2048')
})
afterAll(() => rmSync(folder, { recursive: true }))

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const end of open.splice(0).reverse()) await end()
})

const shown = (relay: Relay): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port: relay.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '')
      socket.destroy()
    })
    socket.on('error', reject)
  })
const fingerprint = ({ certificate }: RelayTls): string => new X509Certificate(certificate).fingerprint256

describe("a relay's certificate and key", () => {
  test('are checked against each other, also where OpenSSL takes both', async () => {
    expect(await readCertificate(async () => old)).toEqual(old)
    for (const wrong of [
      { certificate: old.certificate, key: renewed.key },
      { certificate: rsa.certificate, key: old.key },
      { certificate: 'no PEM', key: old.key },
      { certificate: old.certificate, key: '' },
    ])
      await expect(readCertificate(async () => wrong)).rejects.toMatchObject({ code: 'E_FILE' })
  })

  test('are taken when they were renewed; bad ones leave the old in use, said once', async () => {
    const relay = await relayOn({ tls: old })
    open.push(() => relay.close())
    const clock = handClock()
    const stop = new AbortController()
    const events: RelayEvent[] = []
    let now: RelayTls | undefined = old
    let looks = 0
    const read = async (): Promise<RelayTls> => {
      looks += 1
      if (now === undefined) throw new QuorateError('E_FILE', 'it is gone', 'bring it back')
      return now
    }
    const renewing = renewCertificate(relay, old, read, (event) => events.push(event), clock, stop.signal)
    const look = async (): Promise<void> => {
      const before = looks
      clock.advance(60_000)
      await until(() => looks === before + 1)
      // The loop goes to sleep again.
      await new Promise((resolve) => setImmediate(resolve))
    }
    await look()
    expect([events, await shown(relay)]).toEqual([[], fingerprint(old)])
    now = { certificate: renewed.certificate, key: old.key }
    await look()
    await look()
    expect([events.map(({ what }) => what), await shown(relay)]).toEqual([['not-renewed'], fingerprint(old)])
    now = undefined
    await look()
    now = renewed
    await look()
    expect(events.map(({ what }) => what)).toEqual(['not-renewed', 'not-renewed', 'renewed'])
    expect(await shown(relay)).toBe(fingerprint(renewed))
    stop.abort()
    await renewing
  })
})
