import type { FROST } from '@noble/curves/abstract/frost.js'
import { ed448_FROST } from '@noble/curves/ed448.js'
import { ed25519_FROST, ristretto255_FROST } from '@noble/curves/ed25519.js'
import { p256_FROST } from '@noble/curves/nist.js'
import { schnorr_FROST, secp256k1_FROST } from '@noble/curves/secp256k1.js'
import { systemRandom } from '../src/host/random.ts'
import type { Hash, Index, Party } from '../src/lib/brand.ts'
import { toHex } from '../src/lib/bytes.ts'
import { deal, openDealt } from '../src/mpc/frost/dealing.ts'
import { evaluate, evaluateCommitment, sumCommitments } from '../src/mpc/frost/polynomial.ts'
import {
  aggregate,
  type Commitment,
  commit,
  failedSignatureShare,
  openCommitment,
  prepare,
  signatureShare,
} from '../src/mpc/frost/sign.ts'
import { loadSuite, type Suite } from '../src/mpc/frost/suite.ts'
import { publicFrom, shareFrom } from '../src/mpc/frost/total.ts'
import { verify } from '../src/mpc/frost/verify.ts'
import type { Scalar } from '../src/mpc/group/group.ts'
import { type ProtocolId, protocolIds } from '../src/records/definition-fields.ts'
import { type Measurement, measurement, type Sample, type Wanted } from './measure.ts'

const nobleFrost: Readonly<Record<ProtocolId, FROST>> = {
  'frost-ed25519': ed25519_FROST,
  'frost-ed448': ed448_FROST,
  'frost-p256': p256_FROST,
  'frost-ristretto255': ristretto255_FROST,
  'frost-secp256k1': secp256k1_FROST,
  'frost-secp256k1-tr': schnorr_FROST,
}

const THRESHOLD = 2
const PARTIES = 3
const everybody = Array.from({ length: PARTIES }, (_, at) => (at + 1) as Index)
const signers = everybody.slice(0, THRESHOLD)
const message = systemRandom(32)

const must = (holds: boolean): void => {
  if (!holds) throw new Error('what was measured went wrong')
}
const whole = <T>(made: T): Exclude<T, string> => {
  must(typeof made !== 'string')
  return made as Exclude<T, string>
}

/** All three parties of a key generation: what each computes from the others' messages as they come over the wire. */
const keygen = (suite: Suite) => {
  const { group } = suite
  const { field } = group
  const context = { threshold: THRESHOLD, parties: PARTIES }
  const session = toHex(systemRandom(32)) as Hash
  const dealings = everybody.map((index) => deal(suite, context, session, Number(index) as Party, systemRandom))
  return everybody.map((me) => {
    const commitments = dealings.map((dealing, at) => {
      if (at === me - 1) return dealing.elements
      const opened = openDealt(suite, context, session, (at + 1) as Party, dealing.message)
      return whole(opened)
    })
    const shares = dealings.map((dealing) => field.encode(evaluate(field, dealing.coefficients, me)))
    const sum = shares.map((share) => field.decode(share) as Scalar).reduce((a, b) => field.add(a, b))
    const total = sumCommitments(group, commitments)
    must(group.equals(group.timesBase(sum), evaluateCommitment(group, total, me)))
    return { share: shareFrom(suite, total, sum), ...whole(publicFrom(suite, total, PARTIES)) }
  })
}

/** Two signers and one aggregation, every share verified. */
const sign = (suite: Suite, keys: ReturnType<typeof keygen>): Uint8Array => {
  const { field } = suite.group
  const [{ publicKey, verifyingShares }] = keys as [(typeof keys)[number]]
  const bytesOf = (index: Index): Uint8Array => (keys[index - 1] as (typeof keys)[number]).share
  const committed = signers.map((index) => ({ index, ...commit(suite, index, bytesOf(index), systemRandom) }))
  const open = (index: Index): Commitment =>
    openCommitment(
      suite,
      index,
      (committed[signers.indexOf(index)] as (typeof committed)[number]).commitment.bytes,
    ) as Commitment
  const shares = committed.map((own) => {
    const list = signers.map((index) => (index === own.index ? own.commitment : open(index)))
    const signing = whole(prepare(suite, publicKey, list, message, own))
    const share = field.decode(bytesOf(own.index)) as Scalar
    return field.encode(signatureShare(suite, signing, own.index, own.nonces, share))
  })
  const signing = whole(prepare(suite, publicKey, signers.map(open), message))
  for (const [at, index] of signers.entries()) {
    const verifyingShare = verifyingShares[index - 1] as Uint8Array
    must(failedSignatureShare(suite, signing, index, verifyingShare, shares[at] as Uint8Array) === undefined)
  }
  const signature = aggregate(
    suite,
    signing,
    shares.map((share) => field.decode(share) as Scalar),
  )
  must(verify(suite, publicKey, message, signature))
  return signature
}

const idOf = (frost: FROST, index: Index): string => frost.Identifier.fromNumber(index)
const limits = { min: THRESHOLD, max: PARTIES }

const nobleKeygen = (frost: FROST) => {
  const dealt = everybody.map((index) => frost.DKG.round1(idOf(frost, index), limits))
  const others = (me: Index) => dealt.map((one) => one.public).filter((one) => one.identifier !== idOf(frost, me))
  const sent = dealt.map((one, at) => frost.DKG.round2(one.secret, others((at + 1) as Index)))
  return dealt.map((one, at) => {
    const me = (at + 1) as Index
    const received = sent.filter((_, from) => from !== at).map((shares) => shares[idOf(frost, me)] as never)
    return frost.DKG.round3(one.secret, others(me), received)
  })
}

const nobleSign = (frost: FROST, keys: ReturnType<typeof nobleKeygen>): Uint8Array => {
  const [{ public: pub }] = keys as [(typeof keys)[number]]
  const text = new Uint8Array(message)
  const committed = signers.map((index) => {
    const { secret } = keys[index - 1] as (typeof keys)[number]
    return { secret, ...frost.commit(secret) }
  })
  const list = committed.map((one) => one.commitments)
  const shares = Object.fromEntries(
    committed.map(({ secret, nonces }) => [secret.identifier, frost.signShare(secret, pub, nonces, list, text)]),
  )
  for (const [identifier, share] of Object.entries(shares))
    must(frost.verifyShare(pub, list, text, identifier, share as never))
  return frost.aggregate(pub, list, text, shares as never)
}

const sample = (work: () => unknown): Sample => {
  const cpu = process.cpuUsage()
  const begun = process.hrtime.bigint()
  work()
  const ms = Number(process.hrtime.bigint() - begun) / 1e6
  const used = process.cpuUsage(cpu)
  return { ms, cpu: (used.user + used.system) / 1000, peak: process.memoryUsage().rss / 2 ** 20 }
}

/**
 * The maths alone of each protocol: key generation of 2 of 3 (all three parties) and a signature (two signers, one
 * aggregation, every share verified), and noble's own FROST doing the same in the same run, turn by turn, so that
 * `…/maths` against `…/noble` is a fair ratio.
 */
export default async (wanted: Wanted): Promise<Measurement[]> => {
  const measured: Measurement[] = []
  for (const id of protocolIds) {
    const frost = nobleFrost[id]
    const suite = await loadSuite(id)
    const runs = id === 'frost-ed448' ? 12 : 40
    const keys = keygen(suite)
    const nobleKeys = nobleKeygen(frost)
    const work: Readonly<Record<string, () => unknown>> = {
      [`sign/${id}/maths`]: () => sign(suite, keys),
      [`sign/${id}/noble`]: () => nobleSign(frost, nobleKeys),
      [`keygen/${id}/maths`]: () => keygen(suite),
      [`keygen/${id}/noble`]: () => nobleKeygen(frost),
    }
    const names = Object.keys(work).filter(wanted)
    const samples = new Map<string, Sample[]>(names.map((name) => [name, []]))
    const warm = Math.ceil(runs / 4)
    for (let run = 0; run < runs + warm; run++)
      for (const name of names) {
        const one = sample(work[name] as () => unknown)
        if (run >= warm) samples.get(name)?.push(one)
      }
    measured.push(...names.map((name) => measurement(name, samples.get(name) ?? [])))
  }
  return measured
}
