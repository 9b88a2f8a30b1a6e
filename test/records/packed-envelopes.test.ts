import { expect, test } from 'vitest'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { rawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import { identityOf } from '../../src/identity/identity.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { toBase64, utf8 } from '../../src/lib/bytes.ts'
import { fromCbor, toCbor } from '../../src/lib/cbor.ts'
import { Secret } from '../../src/lib/secret.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { approvalCodec, certificateCodec } from '../../src/records/identity.ts'
import { readyCodec } from '../../src/records/outcome.ts'
import { packEnvelopes, unpackEnvelopes } from '../../src/records/packed-envelopes.ts'

const ceremony = 'c1'.repeat(32) as Hash
const other = 'c2'.repeat(32) as Hash

/** The approval, the vote and the certificate of one member. */
const member = async (seed: number, of: Hash) => {
  const signer = recordSigner(`s${seed}` as SiteId, rawSigner(new Secret(new Uint8Array(32).fill(seed))))
  const identity = identityOf('site', signer.key)
  const enveloped = async (signed: ReturnType<typeof signer.sign<object>>) => toBase64(toEnvelope(await signed))
  return {
    approval: await enveloped(
      signer.sign<object>(approvalCodec as never, {
        ceremony: of,
        identity,
        role: 'site',
        purpose: 'approve',
        at: seed,
      }),
    ),
    vote: await enveloped(
      signer.sign<object>(readyCodec as never, {
        ceremony: of,
        site: signer.site,
        record: 'aa'.repeat(32),
        base: null,
      }),
    ),
    certificate: await enveloped(
      signer.sign<object>(certificateCodec as never, {
        identity,
        purpose: 'message',
        key: signer.key,
        authority: of,
        expires: 9,
      }),
    ),
  }
}

const listsOf = (members: readonly Awaited<ReturnType<typeof member>>[]) => ({
  approvals: members.map(({ approval }) => approval),
  votes: members.map(({ vote }) => vote),
  certificates: members.map(({ certificate }) => certificate),
})

interface Packed {
  approvals: unknown[]
  votes: unknown[]
  certificates: unknown[]
  identities: unknown[]
  records: unknown[]
}
/** Packed lists as somebody else might have packed them. */
const changed = (packed: Uint8Array, change: (lists: Packed) => void): Uint8Array => {
  const [type, lists] = fromCbor(packed) as [string, Packed]
  change(lists)
  return toCbor([type, lists])
}

test('envelopes come out as they went in, also those that are no record of this ceremony', async () => {
  const lists = listsOf([await member(1, ceremony), await member(2, other), await member(3, ceremony)])
  lists.approvals.push(toBase64(utf8('no envelope')))
  const packed = packEnvelopes(ceremony, lists)
  expect(unpackEnvelopes(ceremony, packed)).toEqual(lists)
  const [, { approvals }] = fromCbor(packed) as [string, Packed]
  expect(approvals.map((one) => one instanceof Uint8Array)).toEqual([false, true, false, true])
})

test.each<[string, (lists: Packed) => void]>([
  ['an identity that nobody needs', ({ identities }) => identities.push(identities[0])],
  ['a record that nobody voted for', ({ records }) => records.push([new Uint8Array(32), null])],
  [
    'identities in another order',
    ({ identities, approvals, certificates }) => {
      identities.reverse()
      for (const one of [...approvals, ...certificates] as [number][]) one[0] = 1 - one[0]
    },
  ],
  [
    'one identity twice',
    ({ identities, certificates }) => {
      identities.push(identities[0])
      ;(certificates[0] as [number])[0] = 2
    },
  ],
  ['a place beyond its table', ({ votes }) => ((votes[0] as [number])[0] = 1)],
])('a note has one packed form: not with %s', async (_name, change) => {
  const packed = packEnvelopes(ceremony, listsOf([await member(1, ceremony), await member(2, ceremony)]))
  expect(changed(packed, () => undefined)).toEqual(packed)
  expect(() => unpackEnvelopes(ceremony, changed(packed, change))).toThrow(DecodeError)
})

test.each(['approvals', 'votes', 'certificates'] as const)(
  'one of the %s that could be packed does not stand as it is',
  async (list) => {
    const one = await member(1, ceremony)
    const lists = { approvals: [], votes: [], certificates: [], [list]: [...listsOf([one])[list]] }
    const whole = Buffer.from((lists[list] as readonly string[])[0] ?? '', 'base64')
    const packed = packEnvelopes(ceremony, { approvals: [], votes: [], certificates: [] })
    const raw = changed(packed, (found) => found[list].push(new Uint8Array(whole)))
    expect(() => unpackEnvelopes(ceremony, raw)).toThrow(DecodeError)
    // Of another ceremony it cannot be packed, so there it stands as it is.
    expect(unpackEnvelopes(other, raw)).toEqual(lists)
  },
)
