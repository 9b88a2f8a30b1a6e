import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { proxyWarning } from '../../src/cli/relay-access.ts'
import { systemClock } from '../../src/host/clock.ts'
import { whenReachable } from '../../src/site/home-session.ts'
import type { Relay } from '../../src/transport/relay/server.ts'
import { relayFault } from '../../src/transport/relay-fault.ts'
import { enterAs, person, relayOn } from './relay-support.ts'

/** The next step that a site's operator is told, where its relay is not reached: real servers, real TLS. */

const folder = mkdtempSync(join(tmpdir(), 'quorate-relay-'))
const certificateFor = (name: string, ...more: string[]): { readonly certificate: string; readonly key: string } => {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
  execFileSync(
    'openssl',
    // biome-ignore format: as it is typed
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
      '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, ...more],
    { stdio: 'ignore' },
  )
  return { certificate: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
}

let local: ReturnType<typeof certificateFor>
let other: ReturnType<typeof certificateFor>
const relays: Relay[] = []
const web = createServer((_, response) => response.writeHead(200).end('hello'))
beforeAll(async () => {
  local = certificateFor('localhost')
  other = certificateFor('relay.example')
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  await Promise.all(relays.map((relay) => relay.close()))
  await new Promise((resolve) => web.close(resolve))
  rmSync(folder, { recursive: true })
})

const serving = async (tls?: typeof local): Promise<string> => {
  const relay = await relayOn(tls === undefined ? {} : { tls })
  relays.push(relay)
  return relay.url.replace('127.0.0.1', 'localhost')
}

const faultOf = async (url: string, ca?: string): Promise<unknown> => {
  const [a, b] = [await person('a'), await person('b')]
  const room = enterAs(a, [a, b], [{ url, identity: null }], ca === undefined ? {} : { ca })
  const isDecided = (): boolean =>
    room.status().some(({ state, reason }) => state === 'admitted' || reason !== undefined)
  while (!isDecided()) await systemClock.sleep(5)
  return whenReachable(room, 0).then(
    async () => {
      await room.close()
      return 'reached'
    },
    (error: unknown) => error,
  )
}

const port = (): number => (web.address() as AddressInfo).port

describe('a relay that is not reached', () => {
  test('is reached with the authority that signed its certificate', async () => {
    expect(await faultOf(await serving(local), local.certificate)).toBe('reached')
  })

  test.each([
    ['whose authority nobody knows', () => serving(local), undefined, /--relay-ca/],
    ['whose certificate is for another name', () => serving(other), 'other', /certificate for the name/],
    ['whose name is in no name server', async () => 'wss://relay.invalid', undefined, /name server/],
    ['that is a web server', async () => `ws://127.0.0.1:${port()}`, undefined, /no relay/],
    ['that speaks no TLS', () => serving().then((url) => url.replace('ws:', 'wss:')), undefined, /speaks TLS/],
    ['where nobody listens', async () => 'ws://127.0.0.1:1', undefined, /start a relay/],
  ])('%s: says who mends it', async (_, url, ca, hint) => {
    const fault = await faultOf(await url(), ca === 'other' ? other.certificate : undefined)
    expect(fault).toMatchObject({ code: 'E_RELAY', hint: expect.stringMatching(hint) })
    expect((fault as { hint: string }).hint).toMatch(/; then run the same command again$/)
  })

  test('whose certificate is out of time: says so', () => {
    const hint = relayFault(Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' })).hint
    expect(hint).toMatch(/renew/)
  })

  test('has a reason of one printable line, of no more than it takes', () => {
    const { reason } = relayFault(new Error(`bad\u001b[2J${'x'.repeat(500)}`))
    expect(reason).toMatch(/^bad\\u\{1b\}\[2Jx+$/)
    expect(reason).toHaveLength(200)
  })
})

describe('a proxy that the environment names', () => {
  const far = { relays: [{ url: 'wss://relay.example', identity: null }] }
  const near = { relays: [{ url: 'ws://127.0.0.1:1', identity: null }] }
  test('is said to be ignored, where a relay would be reached through it', () => {
    expect(proxyWarning(far, { HTTPS_PROXY: 'http://proxy:3128' })).toBe(
      'HTTPS_PROXY is ignored: relays are reached directly',
    )
    expect(proxyWarning(far, { https_proxy: 'http://proxy:3128' })).toMatch(/^https_proxy /)
    expect(proxyWarning(far, { HTTPS_PROXY: '' })).toBe(undefined)
    expect(proxyWarning(near, { HTTPS_PROXY: 'http://proxy:3128' })).toBe(undefined)
  })
})
