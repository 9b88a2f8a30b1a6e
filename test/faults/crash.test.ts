import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import { readSignedMessage } from '../../src/ceremony/session/round-message.ts'
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import type { Definition } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'
import { many, report } from '../support/report.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import {
  casesOf,
  checkBundles,
  checkEpochs,
  deadlines,
  disksFrom,
  type Files,
  filesOf,
  measure,
  names,
  type Places,
  playAll,
} from './crash-cases.ts'
import { approveOn, copyOf, filesIn, newHome } from './world.ts'

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
  const homes = new Map<string, Files>()
  let keygen: Definition
  let sign: Definition
  const signing = new Map<string, Files>()
  const places: Record<'keygen' | 'sign', Places> = {
    keygen: { operations: 0, frames: 0 },
    sign: { operations: 0, frames: 0 },
  }

  beforeAll(async () => {
    watchNonces()
    keygen = await keygenDefinition({ deadlines, attempts: 12 })
    for (const name of names) {
      const disk = await copyOf(await newHome(name), 1)
      await approveOn(disk, name, keygen)
      homes.set(name, await filesIn(disk))
    }
    const disks = await disksFrom(homes, 1)
    places.keygen = await measure(disks, keygen, null)
    const [epoch] = await shardStore(disks.get('eu') as SimDisk).list()
    if (epoch?.record === undefined) throw new Error('no epoch')
    sign = await signDefinition({
      sites: keygen.sites,
      key: epoch.key,
      base: hashOf(recordCodec.encode(epoch.record)),
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
      deadlines,
      attempts: 12,
    })
    for (const name of signers) await approveOn(disks.get(name) as SimDisk, name, sign)
    const made = await filesOf(disks)
    for (const name of signers) signing.set(name, made.get(name) as Files)
    places.sign = await measure(await disksFrom(signing, 2), sign, message)
    report(`places in a join: keygen ${JSON.stringify(places.keygen)}, sign ${JSON.stringify(places.sign)}`)
  })
  afterAll(() => vi.restoreAllMocks())

  it('of a keygen: all sites end with one key', async () => {
    await playAll(casesOf(names, places.keygen, KEYGEN_CASES, 7), homes, keygen, null, async (disks, played) => {
      await checkEpochs(disks, keygen, 1)
      await checkBundles(disks, played)
    })
  })

  it('of a sign: all signers end with one signature', async () => {
    const protocols = await loadScheme(sign.protocol)
    await playAll(casesOf(signers, places.sign, SIGN_CASES, 8), signing, sign, message, async (disks, played) => {
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
