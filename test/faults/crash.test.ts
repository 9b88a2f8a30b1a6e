import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import { readSignedMessage } from '../../src/ceremony/session/round-message.ts'
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { signDefinition } from '../support/definition.ts'
import { many, report } from '../support/report.ts'
import { newestAt, recordHashOf } from '../support/reshares.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import {
  casesOf,
  checkBundles,
  checkEpochs,
  deadlines,
  keyMade,
  names,
  playAll,
  type Stage,
  staged,
  worldOf,
} from './crash-cases.ts'

const KEYGEN_CASES = many(1, 10, Number.POSITIVE_INFINITY)
const SIGN_CASES = many(1, 10, Number.POSITIVE_INFINITY)
const signers = ['eu', 'ap']
const message = utf8('pay nobody')

/** Every nonce commitment that any site sent in the whole matrix: the session and sender that it belongs to. */
const nonces = new Map<string, string>()
let repeated = 0
let sent = 0

const watchNonces = (): void => {
  const send = Peers.prototype.sendInSession
  vi.spyOn(Peers.prototype, 'sendInSession').mockImplementation(function (this: Peers, topic, to, bytes) {
    const post = readSignedMessage(bytes)
    if (post.protocol.includes('/sign') && post.round === 'commitments' && post.payload !== undefined) {
      // Two points: the halves of a pair are nonces of their own.
      const half = post.payload.length / 2
      for (const point of [toHex(post.payload.subarray(0, half)), toHex(post.payload.subarray(half))]) {
        const owner = `${toHex(post.session)} ${post.from} ${point === toHex(post.payload.subarray(0, half)) ? 1 : 2}`
        const known = nonces.get(point)
        if (known !== undefined && known !== owner) repeated += 1
        nonces.set(point, owner)
        sent += 1
      }
    }
    return send.call(this, topic, to, bytes)
  })
}

describe('one site crashes at a disk operation', () => {
  let keygen: Stage
  let sign: Stage

  beforeAll(async () => {
    watchNonces()
    const { keygen: definition, fresh, disks, places } = await keyMade()
    keygen = { definition, homes: fresh, given: null, places }
    const newest = await newestAt(worldOf(disks), 'eu')
    const signing = await signDefinition({
      ...{ sites: definition.sites, key: newest.key, base: recordHashOf(newest), deadlines, attempts: 12 },
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    })
    const ready = new Map(signers.map((name) => [name, disks.get(name) as SimDisk]))
    sign = await staged(ready, signing, signers, message)
    report(`places in a join: keygen ${JSON.stringify(places)}`)
  })
  afterAll(() => vi.restoreAllMocks())

  it('of a keygen: all sites end with one key', async () => {
    await playAll(keygen, casesOf(names, keygen.places, KEYGEN_CASES, 7), async (disks, played) => {
      await checkEpochs(disks, keygen.definition, 1)
      await checkBundles(disks, played)
    })
  })

  it('of a sign: all signers end with one signature', async () => {
    const protocols = await loadScheme(sign.definition.protocol)
    await playAll(sign, casesOf(signers, sign.places, SIGN_CASES, 8), async (disks, played) => {
      const signatures = new Set([...played.results.values()].map((one) => one.signature))
      expect(signatures.size).toBe(1)
      for (const { key, signature } of played.results.values())
        expect(protocols.verifySignature(fromHex(key?.publicKey ?? ''), message, fromHex(signature ?? ''))).toBe(true)
      await checkBundles(disks, played)
    })
  })

  it('and over all of it no nonce commitment was sent twice', () => {
    report(`nonce commitments: ${sent} sent, ${nonces.size} different, ${repeated} repeated`)
    expect(repeated).toBe(0)
    expect(nonces.size).toBeGreaterThan(10)
  })
})
