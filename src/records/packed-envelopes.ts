import * as v from 'valibot'
import type { Hash } from '../lib/brand.ts'
import { equal, fromBase64, fromHex, toBase64, toHex } from '../lib/bytes.ts'
import { type Codec, cborCodec, DecodeError, parsed } from './codec.ts'
import { bytes, identity, instant, siteId, whole } from './fields.ts'
import { type Approval, approvalCodec, type Certificate, certificateCodec } from './identity.ts'
import { type Ready, readyCodec } from './outcome.ts'
import { decodeEnvelope, type Envelope, encodeEnvelope, payloadType } from './signed.ts'

/**
 * The envelopes in a note, at a fifth of their bytes: a note shows the same few records of every site, and of them only
 * names, keys, times and signatures differ. An envelope that is none of these stands as it is.
 */
interface Envelopes {
  /** Base64, each of a DSSE envelope. */
  readonly approvals: readonly string[]
  readonly votes: readonly string[]
  readonly certificates: readonly string[]
}

const raw32 = bytes(32, 32)
const signature = bytes(64, 64)
const other = bytes(0, 65_536)
const place = whole(0, 255)
const approval = v.strictTuple([place, v.picklist(['site', 'approver']), instant, signature])
const vote = v.strictTuple([place, siteId, raw32, signature])
const certificate = v.strictTuple([place, raw32, instant, signature])
const schema = v.strictObject({
  /** Each with the id of its key. */
  identities: v.pipe(v.array(v.strictTuple([identity, raw32])), v.maxLength(96)),
  /** That are voted for, each with its base. */
  records: v.pipe(v.array(v.strictTuple([raw32, v.nullable(raw32)])), v.maxLength(32)),
  approvals: v.pipe(v.array(v.union([other, approval])), v.maxLength(48)),
  votes: v.pipe(v.array(v.union([other, vote])), v.maxLength(32)),
  certificates: v.pipe(v.array(v.union([other, certificate])), v.maxLength(32)),
})
type Packed = v.InferOutput<typeof schema>
const codec = cborCodec('note-records/v1', schema, 2 ** 18)

const KEY_ID = 'SHA256:'
const keyIdText = (raw: Uint8Array): string => `${KEY_ID}${toBase64(raw).replace(/=+$/, '')}`
const hashText = (raw: Uint8Array): Hash => toHex(raw) as Hash

const enveloped = <T>(of: Codec<T>, value: T, keyid: Uint8Array, signed: Uint8Array): Uint8Array =>
  encodeEnvelope({
    type: payloadType(of.type),
    payload: of.encode(value),
    keyid: keyIdText(keyid),
    signature: signed,
  })

/** The place of an entry in a table, which it joins where it is new. */
const placeIn = <T>(table: T[], entry: T, same: (one: T) => boolean): number => {
  const at = table.findIndex(same)
  return at >= 0 ? at : table.push(entry) - 1
}

class Packer {
  readonly #ceremony: Hash
  readonly identities: Packed['identities'] = []
  readonly records: Packed['records'] = []

  constructor(ceremony: Hash) {
    this.#ceremony = ceremony
  }

  approval(value: Approval, keyid: Uint8Array, { signature: signed }: Envelope): Packed['approvals'][number] {
    return [this.#identity(value.identity, keyid), value.role, value.at, signed]
  }

  vote(value: Ready, keyid: Uint8Array, { signature: signed }: Envelope): Packed['votes'][number] {
    const [record, base] = [fromHex(value.record), value.base && fromHex(value.base)]
    const same = ([one, on]: Packed['records'][number]): boolean =>
      equal(one, record) && (on === null || base === null ? on === base : equal(on, base))
    return [placeIn(this.records, [record, base], same), value.site, keyid, signed]
  }

  certificate(value: Certificate, keyid: Uint8Array, { signature: signed }: Envelope): Packed['certificates'][number] {
    return [this.#identity(value.identity, keyid), fromHex(value.key), value.expires ?? 0, signed]
  }

  #identity(name: Approval['identity'], keyid: Uint8Array): number {
    const same = ([one, id]: Packed['identities'][number]): boolean => one === name && equal(id, keyid)
    return placeIn(this.identities, [name, keyid], same)
  }

  unpack(packed: Packed): Envelopes {
    const at = <T>(table: readonly T[], n: number): T => {
      const found = table[n]
      if (found === undefined) throw new DecodeError('note: a place that is not in its table')
      return found
    }
    const ceremony = this.#ceremony
    const each = <T>(list: readonly (Uint8Array | T)[], make: (one: T) => Uint8Array): readonly string[] =>
      list.map((one) => toBase64(one instanceof Uint8Array ? one : make(one)))
    return {
      approvals: each(packed.approvals, ([who, role, time, signed]) => {
        const [name, keyid] = at(packed.identities, who)
        return enveloped(approvalCodec, { ceremony, identity: name, role, purpose: 'approve', at: time }, keyid, signed)
      }),
      votes: each(packed.votes, ([which, site, keyid, signed]) => {
        const [record, base] = at(packed.records, which)
        const value = { ceremony, site, record: hashText(record), base: base && hashText(base) }
        return enveloped(readyCodec, value, keyid, signed)
      }),
      certificates: each(packed.certificates, ([who, key, expires, signed]) => {
        const [name, keyid] = at(packed.identities, who)
        const value = {
          identity: name,
          purpose: 'message',
          key: toHex(key) as never,
          authority: ceremony,
          expires,
        } as const
        return enveloped(certificateCodec, value, keyid, signed)
      }),
    }
  }
}

/** A record that `unpack` makes again out of its parts; undefined for anything else. */
const opened = <T>(
  of: Codec<T>,
  envelope: Uint8Array,
): { value: T; keyid: Uint8Array; envelope: Envelope } | undefined => {
  try {
    const found = decodeEnvelope(envelope, of.limit)
    const value = of.decode(found.payload)
    const keyid = fromBase64(`${found.keyid.slice(KEY_ID.length)}=`)
    return keyid.length === 32 && equal(enveloped(of, value, keyid, found.signature), envelope)
      ? { value, keyid, envelope: found }
      : undefined
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) return undefined
    throw error
  }
}

/** Throws DecodeError where the lists are longer than those of a note, or hold what is not base64. */
export const packEnvelopes = (ceremony: Hash, { approvals, votes, certificates }: Envelopes): Uint8Array => {
  const packer = new Packer(ceremony)
  const each = <T, P>(
    list: readonly string[],
    of: Codec<T>,
    fits: (value: T) => boolean,
    pack: (value: T, keyid: Uint8Array, envelope: Envelope) => P,
  ): (P | Uint8Array)[] =>
    list.map((text) => {
      const envelope = parsed('note', 'base64', () => fromBase64(text))
      const found = opened(of, envelope)
      return found !== undefined && fits(found.value) ? pack(found.value, found.keyid, found.envelope) : envelope
    })
  return codec.encode({
    approvals: each(approvals, approvalCodec, (one) => one.ceremony === ceremony, packer.approval.bind(packer)),
    votes: each(votes, readyCodec, (one) => one.ceremony === ceremony, packer.vote.bind(packer)),
    certificates: each(
      certificates,
      certificateCodec,
      (one) => one.purpose === 'message' && one.authority === ceremony && one.expires !== null,
      packer.certificate.bind(packer),
    ),
    identities: packer.identities,
    records: packer.records,
  })
}

/** Throws DecodeError where the same envelopes are packed otherwise. */
export const unpackEnvelopes = (ceremony: Hash, packed: Uint8Array): Envelopes => {
  const found = new Packer(ceremony).unpack(codec.decode(packed))
  if (!equal(packEnvelopes(ceremony, found), packed)) throw new DecodeError('note: records that are packed otherwise')
  return found
}
