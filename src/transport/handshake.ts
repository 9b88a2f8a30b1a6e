import { hkdfSync } from 'node:crypto'
import type { Hash, Identity, KeyHex } from '../lib/brand.ts'
import { concat, equal, fromHex, toHex, utf8 } from '../lib/bytes.ts'
import { tupleHash } from '../lib/hash.ts'
import type { Random } from '../lib/ports.ts'
import { Secret } from '../lib/secret.ts'
import { encapsulate, KEM, kemKey } from './kem.ts'
import { Handshake, type KeyPair, keyPair } from './noise.ts'

/** Noise XXpsk3 with ML-KEM-768 mixed in: what the three messages carry, and what comes of them (PROTOCOL §4). */

const LABEL = 'quorate/channel/v1'
const PSK_LABEL = 'quorate/channel/v1 ml-kem-768'
export const ID_LENGTH = 16
const INSTANCE = 16
/** Longest message looked at: room for any certificate. */
const LONGEST = 8192

/** This side of every handshake of one process. */
export interface Self {
  readonly identity: Identity
  readonly static: KeyPair
  /** DSSE envelope of the channel key's certificate. */
  readonly certificate: Uint8Array
  /** 16 random bytes, drawn once a process: how a peer tells a restart from a second handshake. */
  readonly instance: Uint8Array
  readonly random: Random
}

/** The other side, and how its certificate is judged. */
export interface Other {
  readonly identity: Identity
  accepts(certificate: Uint8Array, staticKey: KeyHex): boolean
}

/** Keys and names of one completed handshake. */
export interface Established {
  /** Of the handshake, hex. */
  readonly id: string
  /** h after message 3. */
  readonly binding: Hash
  /** The peer's process, hex. */
  readonly instance: string
  readonly send: Uint8Array
  readonly receive: Uint8Array
}

/** `refused`: authentic, under a static key whose certificate was not accepted. */
export type Refusal = 'unauthentic' | 'refused'

export interface Initiation {
  readonly id: string
  readonly first: Uint8Array
  /** Message 3 and the keys; where message 2 or its certificate does not hold, a refusal, and nothing has changed. */
  finish(second: Uint8Array): { readonly third: Uint8Array; readonly established: Established } | Refusal
}

export interface Answer {
  readonly id: string
  readonly second: Uint8Array
  /** The keys; where message 3 or its certificate does not hold, a refusal, and nothing has changed. */
  finish(third: Uint8Array): Established | Refusal
}

const prologue = (authority: Hash, initiator: Identity, responder: Identity): Uint8Array =>
  tupleHash(LABEL, fromHex(authority), utf8(initiator), utf8(responder))

const pskOf = (handshake: Handshake, secret: Uint8Array): Uint8Array => {
  const psk = new Uint8Array(hkdfSync('sha256', secret, handshake.hash, PSK_LABEL, 32))
  secret.fill(0)
  return psk
}

const ephemeral = (random: Random): KeyPair => {
  const secret = new Secret(random(32))
  const pair = keyPair(secret)
  secret.wipe()
  return pair
}

const establish = (handshake: Handshake, id: string, instance: Uint8Array): Established => ({
  id,
  binding: toHex(handshake.hash) as Hash,
  instance: toHex(instance),
  ...handshake.split(),
})

const read = (handshake: Handshake, message: Uint8Array): Uint8Array | undefined => {
  if (message.length > LONGEST) return undefined
  try {
    return handshake.readMessage(message)
  } catch {
    return undefined
  }
}

const accepted = (handshake: Handshake, other: Other, certificate: Uint8Array): boolean => {
  const key = handshake.remoteStatic
  return key !== undefined && other.accepts(certificate, toHex(key) as KeyHex)
}

/** Begins a handshake. Message 1 carries the handshake's id and a one-time KEM key. */
export const initiate = (authority: Hash, self: Self, other: Other): Initiation => {
  const handshake = new Handshake({
    pattern: 'XXpsk3',
    initiator: true,
    prologue: prologue(authority, self.identity, other.identity),
    static: self.static,
    ephemeral: ephemeral(self.random),
  })
  const seed = self.random(KEM.seed)
  const kem = kemKey(seed)
  seed.fill(0)
  const id = self.random(ID_LENGTH)
  const first = handshake.writeMessage(concat(id, kem.publicKey))
  return {
    id: toHex(id),
    first,
    finish: (second) => {
      // A copy reads: an answer whose certificate is refused must leave the way open for the peer's own.
      const trial = handshake.clone()
      const payload = read(trial, second)
      if (payload === undefined) return 'unauthentic'
      const cipherText = payload.subarray(0, KEM.cipherText)
      const instance = payload.slice(KEM.cipherText, KEM.cipherText + INSTANCE)
      const certificate = payload.slice(KEM.cipherText + INSTANCE)
      if (instance.length !== INSTANCE || !accepted(trial, other, certificate)) return 'refused'
      trial.setPsk(pskOf(trial, kem.decapsulate(cipherText)))
      const third = trial.writeMessage(concat(self.instance, self.certificate))
      kem.wipe()
      return { third, established: establish(trial, toHex(id), instance) }
    },
  }
}

/**
 * Answers message 1: undefined where it is not one for this authority, these identities and roles, or where its KEM key
 * fails the check of FIPS 203 §7.2. `id` is the one under which the message came; it must be the one inside.
 */
export const answer = (
  authority: Hash,
  self: Self,
  other: Other,
  id: Uint8Array,
  first: Uint8Array,
): Answer | undefined => {
  const handshake = new Handshake({
    pattern: 'XXpsk3',
    initiator: false,
    prologue: prologue(authority, other.identity, self.identity),
    static: self.static,
    ephemeral: ephemeral(self.random),
  })
  const payload = read(handshake, first)
  if (payload?.length !== ID_LENGTH + KEM.publicKey || !equal(payload.subarray(0, ID_LENGTH), id)) return undefined
  const message = self.random(KEM.message)
  let second: Uint8Array
  try {
    const { cipherText, sharedSecret } = encapsulate(payload.subarray(ID_LENGTH), message)
    second = handshake.writeMessage(concat(cipherText, self.instance, self.certificate))
    handshake.setPsk(pskOf(handshake, sharedSecret))
  } catch {
    return undefined
  } finally {
    message.fill(0)
  }
  return {
    id: toHex(id),
    second,
    finish: (third) => {
      const trial = handshake.clone()
      const content = read(trial, third)
      if (content === undefined) return 'unauthentic'
      if (content.length < INSTANCE || !accepted(trial, other, content.slice(INSTANCE))) return 'refused'
      return establish(trial, toHex(id), content.slice(0, INSTANCE))
    },
  }
}
