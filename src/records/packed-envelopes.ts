import * as v from 'valibot'
import type { Hash } from '../lib/brand.ts'
import { equal, fromBase64, fromHex, toBase64, toHex } from '../lib/bytes.ts'
import { type Codec, cborCodec, DecodeError, parsed } from './codec.ts'
import { bytes, identity, instant, siteId, whole } from './fields.ts'
import { type Approval, approvalCodec, type Certificate, certificateCodec } from './identity.ts'
import { type Ready, readyCodec } from './outcome.ts'
import { decodeEnvelope, encodeEnvelope, payloadType } from './signed.ts'

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

/** A record taken apart: all that its envelope is made of. */
interface Parts<T> {
  readonly value: T
  readonly keyid: Uint8Array
  readonly signature: Uint8Array
}

const enveloped = <T>(of: Codec<T>, { value, keyid, signature: signed }: Parts<T>): Uint8Array =>
  encodeEnvelope({
    type: payloadType(of.type),
    payload: of.encode(value),
    keyid: keyIdText(keyid),
    signature: signed,
  })

/** A list's envelopes, each taken apart where it is one that fits, or as it stands. */
interface Lists {
  readonly approvals: readonly (Uint8Array | Parts<Approval>)[]
  readonly votes: readonly (Uint8Array | Parts<Ready>)[]
  readonly certificates: readonly (Uint8Array | Parts<Certificate>)[]
}

/** The place of an entry in a table, which it joins where it is new. */
const placeIn = <T>(table: T[], entry: T, same: (one: T) => boolean): number => {
  const at = table.findIndex(same)
  return at >= 0 ? at : table.push(entry) - 1
}

/** The tables that entries point into, in the order of their first use. */
class Tables {
  readonly identities: Packed['identities'] = []
  readonly records: Packed['records'] = []

  approval({ value, keyid, signature: signed }: Parts<Approval>): Packed['approvals'][number] {
    return [this.#identity(value.identity, keyid), value.role, value.at, signed]
  }

  vote({ value, keyid, signature: signed }: Parts<Ready>): Packed['votes'][number] {
    const [record, base] = [fromHex(value.record), value.base && fromHex(value.base)]
    const same = ([one, on]: Packed['records'][number]): boolean =>
      equal(one, record) && (on === null || base === null ? on === base : equal(on, base))
    return [placeIn(this.records, [record, base], same), value.site, keyid, signed]
  }

  certificate({ value, keyid, signature: signed }: Parts<Certificate>): Packed['certificates'][number] {
    return [this.#identity(value.identity, keyid), fromHex(value.key), value.expires ?? 0, signed]
  }

  #identity(name: Approval['identity'], keyid: Uint8Array): number {
    const same = ([one, id]: Packed['identities'][number]): boolean => one === name && equal(id, keyid)
    return placeIn(this.identities, [name, keyid], same)
  }
}

const packed = ({ approvals, votes, certificates }: Lists): Uint8Array => {
  const tables = new Tables()
  const each = <T, P>(list: readonly (Uint8Array | Parts<T>)[], pack: (parts: Parts<T>) => P): (P | Uint8Array)[] =>
    list.map((one) => (one instanceof Uint8Array ? one : pack(one)))
  return codec.encode({
    approvals: each(approvals, tables.approval.bind(tables)),
    votes: each(votes, tables.vote.bind(tables)),
    certificates: each(certificates, tables.certificate.bind(tables)),
    identities: tables.identities,
    records: tables.records,
  })
}

const unpacked = (ceremony: Hash, from: Packed): Lists => {
  const at = <T>(table: readonly T[], n: number): T => {
    const found = table[n]
    if (found === undefined) throw new DecodeError('note: a place that is not in its table')
    return found
  }
  const each = <T, P>(list: readonly (Uint8Array | P)[], open: (one: P) => Parts<T>): (Uint8Array | Parts<T>)[] =>
    list.map((one) => (one instanceof Uint8Array ? one : open(one)))
  return {
    approvals: each(from.approvals, ([who, role, time, signed]) => {
      const [name, keyid] = at(from.identities, who)
      return { value: { ceremony, identity: name, role, purpose: 'approve', at: time }, keyid, signature: signed }
    }),
    votes: each(from.votes, ([which, site, keyid, signed]) => {
      const [record, base] = at(from.records, which)
      const value = { ceremony, site, record: hashText(record), base: base && hashText(base) }
      return { value, keyid, signature: signed }
    }),
    certificates: each(from.certificates, ([who, key, expires, signed]) => {
      const [name, keyid] = at(from.identities, who)
      const value = {
        identity: name,
        purpose: 'message',
        key: toHex(key) as never,
        authority: ceremony,
        expires,
      } as const
      return { value, keyid, signature: signed }
    }),
  }
}

/** A record that `enveloped` makes again out of its parts; the envelope as it stands where it is anything else. */
const apart = <T>(of: Codec<T>, envelope: Uint8Array, fits: (value: T) => boolean): Uint8Array | Parts<T> => {
  try {
    const { payload, keyid: id, signature: signed } = decodeEnvelope(envelope, of.limit)
    const parts = { value: of.decode(payload), keyid: fromBase64(`${id.slice(KEY_ID.length)}=`), signature: signed }
    const same = parts.keyid.length === 32 && fits(parts.value) && equal(enveloped(of, parts), envelope)
    return same ? parts : envelope
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) return envelope
    throw error
  }
}

const approvalApart = (ceremony: Hash, envelope: Uint8Array) =>
  apart(approvalCodec, envelope, (one) => one.ceremony === ceremony)
const voteApart = (ceremony: Hash, envelope: Uint8Array) =>
  apart(readyCodec, envelope, (one) => one.ceremony === ceremony)
const certificateApart = (ceremony: Hash, envelope: Uint8Array) =>
  apart(
    certificateCodec,
    envelope,
    (one) => one.purpose === 'message' && one.authority === ceremony && one.expires !== null,
  )

/** Throws DecodeError where the lists are longer than those of a note, or hold what is not base64. */
export const packEnvelopes = (ceremony: Hash, { approvals, votes, certificates }: Envelopes): Uint8Array => {
  const each = <T>(list: readonly string[], open: (ceremony: Hash, envelope: Uint8Array) => Uint8Array | Parts<T>) =>
    list.map((text) =>
      open(
        ceremony,
        parsed('note', 'base64', () => fromBase64(text)),
      ),
    )
  return packed({
    approvals: each(approvals, approvalApart),
    votes: each(votes, voteApart),
    certificates: each(certificates, certificateApart),
  })
}

/** Throws DecodeError where `packEnvelopes` packs the same envelopes otherwise. */
export const unpackEnvelopes = (ceremony: Hash, bytes: Uint8Array): Envelopes => {
  const lists = unpacked(ceremony, codec.decode(bytes))
  const each = <T>(
    list: readonly (Uint8Array | Parts<T>)[],
    of: Codec<T>,
    open: (ceremony: Hash, envelope: Uint8Array) => Uint8Array | Parts<T>,
  ): readonly string[] =>
    list.map((one) => {
      if (!(one instanceof Uint8Array)) return toBase64(enveloped(of, one))
      if (open(ceremony, one) !== one) throw new DecodeError('note: a record that stands as it is and could be packed')
      return toBase64(one)
    })
  const found = {
    approvals: each(lists.approvals, approvalCodec, approvalApart),
    votes: each(lists.votes, readyCodec, voteApart),
    certificates: each(lists.certificates, certificateCodec, certificateApart),
  }
  // An envelope that was just put together comes apart the same way: only the tables and their order are open still.
  if (!equal(packed(lists), bytes)) throw new DecodeError('note: records that are packed otherwise')
  return found
}
