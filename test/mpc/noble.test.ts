import type { DKG_Round2, FrostPublic } from '@noble/curves/abstract/frost.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Hash, Index, Party } from '../../src/lib/brand.ts'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { type Dealing, deal, failedShare } from '../../src/mpc/frost/dealing.ts'
import { evaluate, sumCommitments } from '../../src/mpc/frost/polynomial.ts'
import { provesKnowledge } from '../../src/mpc/frost/proof-of-knowledge.ts'
import {
  aggregate,
  type Commitment,
  commit,
  failedSignatureShare,
  openCommitment,
  prepare,
  signatureShare,
} from '../../src/mpc/frost/sign.ts'
import { loadSuite } from '../../src/mpc/frost/suite.ts'
import { publicFrom, shareFrom } from '../../src/mpc/frost/total.ts'
import { verify } from '../../src/mpc/frost/verify.ts'
import type { Element, Scalar } from '../../src/mpc/group/group.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { nobleFrost } from '../support/noble-frost.ts'
import { seededRandom } from '../support/random.ts'
import { inTurn } from '../support/report.ts'
import { whole } from '../support/whole.ts'

const session = hashOf(utf8('noble')) as Hash

/** n, t, who of the n runs noble's code, who signs, a seed. */
const shapes = fc
  .integer({ min: 2, max: 5 })
  .chain((n) => fc.tuple(fc.constant(n), fc.integer({ min: 2, max: n })))
  .chain(([n, t]) =>
    fc.record({
      n: fc.constant(n),
      t: fc.constant(t),
      noble: fc.array(fc.boolean(), { minLength: n, maxLength: n }),
      signers: fc.shuffledSubarray(
        Array.from({ length: n }, (_, at) => (at + 1) as Index),
        { minLength: t, maxLength: n },
      ),
      message: fc.uint8Array({ maxLength: 64 }),
      seed: fc.string(),
    }),
  )

describe.each(inTurn(protocolIds, 2))('%s against noble', (id) => {
  const theirs = nobleFrost[id]
  const idOf = (index: number): string => theirs.Identifier.fromNumber(index)
  const numRuns = id === 'frost-ed448' ? 2 : 6

  it('makes one key with some parties on either code, and signs with it alike', async () => {
    const suite = await loadSuite(id)
    const { group } = suite
    const { field } = group
    fc.assert(
      fc.property(shapes, ({ n, t, noble, signers, message, seed }) => {
        const context = { threshold: t, parties: n }
        const limits = { min: t, max: n }
        const parties = Array.from({ length: n }, (_, at) => (at + 1) as Index)

        // Round 1, each on its own code.
        const random = seededRandom(seed)
        const rng = (length = 32): Uint8Array<ArrayBuffer> => new Uint8Array(random(length))
        const ours = new Map<Index, Dealing>()
        const rounds = parties.map((index) => {
          if (noble[index - 1]) return theirs.DKG.round1(idOf(index), limits, undefined, rng)
          const dealing = deal(suite, context, session, Number(index) as Party, random)
          ours.set(index, dealing)
          const [commitment, proofOfKnowledge] = dealing.message
          return {
            public: { identifier: idOf(index), commitment: [...commitment], proofOfKnowledge },
            secret: undefined,
          }
        })
        const packages = rounds.map((round) => round.public as ReturnType<typeof theirs.DKG.round1>['public'])
        const elements = packages.map(({ commitment, proofOfKnowledge }, at) => {
          const decoded = commitment.map((one) => group.decode(one) as Element)
          const [constant] = commitment as [Uint8Array]
          expect(provesKnowledge(suite, (at + 1) as Party, constant, decoded[0] as Element, proofOfKnowledge)).toBe(
            true,
          )
          return decoded
        })

        // Round 2: shares to and from both.
        const sent = new Map<string, Uint8Array>()
        for (const from of parties) {
          const others = packages.filter((one) => one.identifier !== idOf(from))
          const secret = rounds[from - 1]?.secret
          const dealing = ours.get(from)
          const byNoble = secret === undefined ? undefined : theirs.DKG.round2(secret, others)
          for (const to of parties) {
            if (to === from) continue
            const share = byNoble
              ? (byNoble[idOf(to)] as DKG_Round2).signingShare
              : field.encode(evaluate(field, (dealing as Dealing).coefficients, to))
            expect(failedShare(suite, elements[from - 1] as Element[], to, share)).toBeUndefined()
            sent.set(`${from} ${to}`, share)
          }
        }
        const total = sumCommitments(group, elements)
        const made = whole(publicFrom(suite, total, n))
        const shares = new Map<Index, Uint8Array>()
        let pub: FrostPublic = {
          signers: limits,
          commitments: [new Uint8Array(made.publicKey)],
          verifyingShares: Object.fromEntries(
            made.verifyingShares.map((share, at) => [idOf(at + 1), new Uint8Array(share)]),
          ),
        }
        for (const me of parties) {
          const received = parties.filter((from) => from !== me).map((from) => sent.get(`${from} ${me}`) as Uint8Array)
          const dealing = ours.get(me)
          if (dealing !== undefined) {
            const sum = received.reduce(
              (all, share) => field.add(all, field.decode(share) as Scalar),
              evaluate(field, dealing.coefficients, me),
            )
            shares.set(me, shareFrom(suite, total, sum))
            continue
          }
          const key = theirs.DKG.round3(
            rounds[me - 1]?.secret as never,
            packages.filter((one) => one.identifier !== idOf(me)),
            parties
              .filter((from) => from !== me)
              .map((from) => ({
                identifier: idOf(from),
                signingShare: new Uint8Array(sent.get(`${from} ${me}`) as Uint8Array),
              })),
          )
          expect(toHex(key.public.commitments[0] as Uint8Array)).toBe(toHex(made.publicKey))
          for (const index of parties)
            expect(toHex(key.public.verifyingShares[idOf(index)] as Uint8Array)).toBe(
              toHex(made.verifyingShares[index - 1] as Uint8Array),
            )
          shares.set(me, key.secret.signingShare)
          pub = key.public
        }

        // Signing: both codes give the same share for the same nonces.
        const committed = signers.map((index) => {
          const share = shares.get(index) as Uint8Array
          expect(toHex(group.encode(group.timesBase(field.decode(share) as Scalar)))).toBe(
            toHex(made.verifyingShares[index - 1] as Uint8Array),
          )
          const { nonces, commitment } = commit(suite, index, share, random)
          return { index, nonces, commitments: commitment.bytes, share: field.decode(share) as Scalar }
        })
        const list = committed.map((one) => openCommitment(suite, one.index, one.commitments) as Commitment)
        const theirList = committed.map(({ index, commitments: [hiding, binding] }) => ({
          identifier: idOf(index),
          hiding: new Uint8Array(hiding),
          binding: new Uint8Array(binding),
        }))
        const signing = whole(prepare(suite, made.publicKey, list, message))
        const signatureShares = committed.map((one) => {
          const own = signatureShare(
            suite,
            whole(prepare(suite, made.publicKey, list, message, one)),
            one.index,
            one.nonces,
            one.share,
          )
          const mine = field.encode(own)
          const other = theirs.signShare(
            { identifier: idOf(one.index), signingShare: new Uint8Array(field.encode(one.share)) },
            pub,
            {
              hiding: new Uint8Array(field.encode(one.nonces.hiding)),
              binding: new Uint8Array(field.encode(one.nonces.binding)),
            },
            theirList,
            new Uint8Array(message),
          )
          expect(toHex(mine)).toBe(toHex(other))
          const verifyingShare = made.verifyingShares[one.index - 1] as Uint8Array
          expect(failedSignatureShare(suite, signing, one.index, verifyingShare, mine)).toBeUndefined()
          const wrong = field.encode(field.add(own, field.fromNumber(1)))
          expect(failedSignatureShare(suite, signing, one.index, verifyingShare, wrong)).toBe('signature-share')
          return own
        })
        const signature = aggregate(suite, signing, signatureShares)
        const theirSignature = theirs.aggregate(
          pub,
          theirList,
          new Uint8Array(message),
          Object.fromEntries(
            committed.map((one, at) => [idOf(one.index), new Uint8Array(field.encode(signatureShares[at] as Scalar))]),
          ),
        )
        expect(toHex(signature)).toBe(toHex(theirSignature))
        expect(verify(suite, made.publicKey, message, signature)).toBe(true)
        expect(theirs.verify(new Uint8Array(signature), new Uint8Array(message), new Uint8Array(made.publicKey))).toBe(
          true,
        )
      }),
      { numRuns },
    )
  })

  it('verifies what noble signs with one key, and refuses every changed byte', async () => {
    const suite = await loadSuite(id)
    const { group } = suite
    const { field } = group
    const secret = theirs.utils.randomScalar()
    const message = utf8('one key')
    const publicKey = group.encode(group.timesBase(field.decode(secret) as Scalar))
    const signature = theirs.sign(new Uint8Array(message), secret)
    expect(verify(suite, publicKey, message, signature)).toBe(true)
    for (let at = 0; at < signature.length; at += 7) {
      const changed = Uint8Array.from(signature)
      changed[at] = (changed[at] as number) ^ 1
      expect(verify(suite, publicKey, message, changed)).toBe(false)
    }
    expect(verify(suite, publicKey, message, signature.subarray(1))).toBe(false)
    expect(verify(suite, publicKey.subarray(2), message, signature)).toBe(false)
    expect(verify(suite, new Uint8Array(publicKey.length), message, signature)).toBe(false)
  })
})
