import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Hash, Index, Party } from '../../src/lib/brand.ts'
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { deal } from '../../src/mpc/frost/dealing.ts'
import { evaluate, sumCommitments } from '../../src/mpc/frost/polynomial.ts'
import { provesKnowledge } from '../../src/mpc/frost/proof-of-knowledge.ts'
import { splitScalar } from '../../src/mpc/frost/repair.ts'
import { Scratch } from '../../src/mpc/frost/scratch.ts'
import {
  aggregate,
  bindingFactors,
  type Commitment,
  commit,
  openCommitment,
  prepare,
  shareHolds,
  signatureShare,
} from '../../src/mpc/frost/sign.ts'
import { bindSuite, loadSuite, type Suite } from '../../src/mpc/frost/suite.ts'
import { publicFrom, shareFrom } from '../../src/mpc/frost/total.ts'
import { verify } from '../../src/mpc/frost/verify.ts'
import { sumShares } from '../../src/mpc/frost/vss.ts'
import type { Element, Scalar } from '../../src/mpc/group/group.ts'
import { nobleGroups } from '../../src/mpc/group/noble.ts'
import { type ProtocolId, protocolIds } from '../../src/records/definition-fields.ts'
import { drawing, seededRandom } from '../support/random.ts'
import { whole } from '../support/whole.ts'

interface SigningVector {
  readonly name: string
  readonly threshold: number
  readonly secret: string
  readonly coefficients: readonly string[]
  readonly publicKey: string
  readonly message: string
  readonly shares: readonly string[]
  readonly signers: readonly {
    readonly index: Index
    readonly hidingRandomness: string
    readonly bindingRandomness: string
    readonly hidingNonce: string
    readonly bindingNonce: string
    readonly hidingCommitment: string
    readonly bindingCommitment: string
    readonly bindingFactorInput: string
    readonly bindingFactor: string
    readonly signatureShare: string
  }[]
  readonly signature: string
}
interface FrostVectors {
  readonly protocol: ProtocolId
  readonly signing: readonly SigningVector[]
  readonly keygen: {
    readonly threshold: number
    readonly publicKey: string
    readonly parties: readonly {
      readonly constant: string
      readonly coefficient: string
      readonly commitments: readonly string[]
      readonly proof: string
      readonly received: Readonly<Record<string, string>>
      readonly share: string
      readonly verifyingShare: string
    }[]
  }
  readonly repair: {
    readonly scalars: readonly string[]
    readonly scalarSum: string
    readonly sigmas: readonly string[]
    readonly sigmaSum: string
  }
}

const read = <T>(path: string): T =>
  JSON.parse(readFileSync(new URL(`../vectors/${path}`, import.meta.url), 'utf8')) as T

const scalarOf = ({ group: { field } }: Suite, hex: string): Scalar => {
  const scalar = field.decode(fromHex(hex))
  if (scalar === undefined) throw new Error(`not a scalar: ${hex}`)
  return scalar
}
const runSigning = (suite: Suite, vector: SigningVector): void => {
  const { group } = suite
  const { field } = group
  const hex = (scalar: Scalar): string => toHex(field.encode(scalar))
  const polynomial = [vector.secret, ...vector.coefficients].map((one) => scalarOf(suite, one))
  expect(polynomial.length).toBe(vector.threshold)
  expect(vector.shares.map((_, at) => hex(evaluate(field, polynomial, (at + 1) as Index)))).toEqual(vector.shares)
  expect(toHex(group.encode(group.timesBase(scalarOf(suite, vector.secret))))).toBe(vector.publicKey)

  const publicKey = fromHex(vector.publicKey)
  const message = fromHex(vector.message)
  const committed = vector.signers.map((signer) => {
    const fresh = [fromHex(signer.hidingRandomness), fromHex(signer.bindingRandomness)]
    const share = fromHex(vector.shares[signer.index - 1] ?? '')
    const { nonces, commitment: own } = commit(suite, signer.index, share, () => fresh.shift() as Uint8Array)
    expect(hex(nonces.hiding)).toBe(signer.hidingNonce)
    expect(hex(nonces.binding)).toBe(signer.bindingNonce)
    expect(own.bytes.map(toHex)).toEqual([signer.hidingCommitment, signer.bindingCommitment])
    const commitment = openCommitment(suite, signer.index, own.bytes) as Commitment
    return { index: signer.index, nonces, commitment, share: scalarOf(suite, toHex(share)) }
  })
  const commitments = committed.map((one) => one.commitment)
  const signing = whole(prepare(suite, publicKey, commitments, message))
  for (const signer of vector.signers) {
    expect(hex(signing.bindingFactors.get(signer.index) as Scalar)).toBe(signer.bindingFactor)
    expect(hex(suite.h1(fromHex(signer.bindingFactorInput)))).toBe(signer.bindingFactor)
  }
  if (!suite.evenY) expect(bindingFactors(suite, publicKey, commitments, message)).toEqual(signing.bindingFactors)

  const shares = committed.map((one) => {
    const own = whole(prepare(suite, publicKey, commitments, message, one))
    expect(toHex(own.nonce)).toBe(toHex(signing.nonce))
    return signatureShare(suite, own, one.index, one.nonces, one.share)
  })
  expect(shares.map(hex)).toEqual(vector.signers.map((signer) => signer.signatureShare))
  for (const [at, one] of committed.entries())
    expect(shareHolds(suite, signing, one.index, group.timesBase(one.share), shares[at] as Scalar)).toBe(true)
  const signature = aggregate(suite, signing, shares)
  expect(toHex(signature)).toBe(vector.signature)
  expect(verify(suite, publicKey, message, signature)).toBe(true)
}

const onNoble = async (id: ProtocolId): Promise<Suite> => bindSuite(id, (curve) => nobleGroups[curve])
const backends = { noble: onNoble, 'the fastest backend': loadSuite }
const runs = Object.entries(backends).flatMap(([backend, load]) => protocolIds.map((id) => ({ id, backend, load })))

describe.each(runs)('vectors of $id on $backend', ({ id, load }) => {
  const vectors = read<FrostVectors>(`frost/${id.slice('frost-'.length)}.json`)

  it('are of this suite and all there', () => {
    expect(vectors.protocol).toBe(id)
    expect(vectors.signing.map((one) => one.name)).toEqual(['vectors', 'big identifiers'])
    expect(vectors.signing.every((one) => one.signers.length >= 2)).toBe(true)
    expect(vectors.keygen.parties.length).toBe(3)
  })

  it.each(vectors.signing)('signing: $name', async (vector) => {
    runSigning(await load(id), vector)
  })

  it('key generation', async () => {
    const suite = await load(id)
    const { group } = suite
    const { field } = group
    const { threshold, parties, publicKey } = vectors.keygen
    const context = { threshold, parties: parties.length }
    const dealings = parties.map((party, at) => {
      const dealer = (at + 1) as Party
      const coefficients = [scalarOf(suite, party.constant), scalarOf(suite, party.coefficient)]
      const session = hashOf(utf8('vectors')) as Hash
      const dealing = deal(suite, context, session, dealer, seededRandom(id), coefficients)
      const [commitment] = dealing.message
      expect(commitment.map(toHex)).toEqual(party.commitments)
      const [constant] = commitment as [Uint8Array]
      const [element] = dealing.elements as [Element]
      expect(provesKnowledge(suite, dealer, constant, element, fromHex(party.proof))).toBe(true)
      expect(provesKnowledge(suite, (dealer + 1) as Party, constant, element, fromHex(party.proof))).toBe(false)
      return dealing
    })
    const total = sumCommitments(
      group,
      dealings.map((one) => one.elements),
    )
    const made = whole(publicFrom(suite, total, parties.length))
    expect(toHex(made.publicKey)).toBe(publicKey)
    for (const [at, party] of parties.entries()) {
      const received = dealings.map((dealing, from) => {
        const share = evaluate(field, dealing.coefficients, (at + 1) as Index)
        if (from !== at) expect(toHex(field.encode(share))).toBe(party.received[String(from + 1)])
        return share
      })
      const sum = received.reduce((a, b) => field.add(a, b))
      expect(toHex(shareFrom(suite, total, sum))).toBe(party.share)
      expect(toHex(made.verifyingShares[at] as Uint8Array)).toBe(party.verifyingShare)
      expect(toHex(group.encode(group.timesBase(scalarOf(suite, party.share))))).toBe(party.verifyingShare)
    }
  })

  it('repair: parts that add up, and sums that are checked against their elements', async () => {
    const suite = await load(id)
    const { group } = suite
    const { field } = group
    const { scalars, scalarSum, sigmas, sigmaSum } = vectors.repair
    const scratch = new Scratch(field)
    const [first, ...others] = scalars as [string, ...string[]]
    const random = drawing(
      field,
      others.map((one) => scalarOf(suite, one)),
      id,
    )
    const parts = splitScalar(suite, scalarOf(suite, scalarSum), scalars.length, random, scratch)
    expect(parts.map((part) => toHex(field.encode(part)))).toEqual([first, ...others])

    const elements = sigmas.map((one) => [group.timesBase(scalarOf(suite, one))])
    const places = sigmas.map((_, at) => (at + 1) as Party)
    const received = {
      receiver: 1 as Index,
      own: undefined,
      shares: new Map(places.map((place) => [place, fromHex(sigmas[place - 1] as string)])),
      commitments: new Map(places.map((place) => [place, elements[place - 1] as Element[]])),
      total: sumCommitments(group, elements),
    }
    const summed = sumShares(suite, received, scratch)
    expect('sum' in summed && toHex(field.encode(summed.sum))).toBe(sigmaSum)
  })
})

describe('vectors of BIP-340', () => {
  const { vectors } = read<{
    readonly vectors: readonly {
      readonly index: number
      readonly secretKey?: string
      readonly publicKey: string
      readonly message: string
      readonly signature: string
      readonly valid: boolean
    }[]
  }>('bip340/verify.json')

  it('are all there', () => {
    expect(vectors.map((one) => one.index)).toEqual(Array.from({ length: 19 }, (_, at) => at))
  })

  const cases = Object.entries(backends).flatMap(([backend, load]) => vectors.map((one) => ({ ...one, backend, load })))
  it.each(cases)('$index on $backend', async ({ load, ...vector }) => {
    const suite = await load('frost-secp256k1-tr')
    const [key, message, signature] = [vector.publicKey, vector.message, vector.signature].map(fromHex) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    expect(verify(suite, key, message, signature)).toBe(vector.valid)
    if (vector.secretKey !== undefined) {
      const { group } = suite
      const point = group.encode(group.timesBase(scalarOf(suite, vector.secretKey)))
      expect(toHex(point.subarray(1))).toBe(vector.publicKey)
    }
  })
})
