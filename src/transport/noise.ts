import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from 'node:crypto'
import { concat, fromHex, utf8 } from '../lib/bytes.ts'
import { sha256 } from '../lib/hash.ts'
import type { Secret } from '../lib/secret.ts'

/** The Noise Protocol Framework, revision 34: XX and XXpsk3 over 25519, ChaChaPoly, SHA256. */

const PKCS8 = fromHex('302e020100300506032b656e04220420')
const KEY = 32
const TAG = 16
const EMPTY = new Uint8Array(0)

/** An X25519 key pair that shows only what it can do. */
export interface KeyPair {
  readonly publicKey: Uint8Array
  /** 32 bytes; throws where the peer's key leaves nothing secret (all-zero output, RFC 7748 §6.1). */
  agree(peer: Uint8Array): Uint8Array
}

/** The pair of a 32-byte private key. The holder may be wiped afterwards. */
export const keyPair = (secret: Secret): KeyPair => {
  const der = concat(PKCS8, secret.reveal())
  const privateKey = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' })
  der.fill(0)
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  return {
    publicKey: new Uint8Array(Buffer.from(x as string, 'base64url')),
    agree: (peer) => new Uint8Array(diffieHellman({ privateKey, publicKey: publicKeyObject(peer) })),
  }
}

/** As JWK: OpenSSL 3.0 takes seven times as long to find out that DER is a key. */
const publicKeyObject = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: Buffer.from(raw).toString('base64url') }, format: 'jwk' })

const nonce = (n: number): Uint8Array => {
  const out = new Uint8Array(12)
  new DataView(out.buffer).setBigUint64(4, BigInt(n), true)
  return out
}

/** AEAD of the framework's ENCRYPT: ciphertext and 16-byte tag. A (key, n) pair is used once. */
export const seal = (key: Uint8Array, n: number, ad: Uint8Array, plaintext: Uint8Array): Uint8Array => {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce(n), { authTagLength: TAG })
  cipher.setAAD(ad, { plaintextLength: plaintext.length })
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
}

/** The plaintext; undefined where the tag does not hold. */
export const open = (key: Uint8Array, n: number, ad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined => {
  if (sealed.length < TAG) return undefined
  const body = sealed.subarray(0, -TAG)
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce(n), { authTagLength: TAG })
  decipher.setAAD(ad, { plaintextLength: body.length })
  decipher.setAuthTag(sealed.subarray(-TAG))
  const plaintext = decipher.update(body)
  try {
    decipher.final()
    return new Uint8Array(plaintext)
  } catch {
    plaintext.fill(0)
    return undefined
  }
}

const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array => {
  const mac = createHmac('sha256', key)
  for (const part of parts) mac.update(part)
  return new Uint8Array(mac.digest())
}

/** HKDF of §4.3: two or three outputs. */
const derive = (chainingKey: Uint8Array, input: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array] => {
  const temporary = hmac(chainingKey, input)
  const first = hmac(temporary, Uint8Array.of(1))
  const second = hmac(temporary, first, Uint8Array.of(2))
  return [first, second, hmac(temporary, second, Uint8Array.of(3))]
}

type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'psk'
const patterns = {
  XX: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']],
  XXpsk3: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se', 'psk']],
} as const satisfies Record<string, readonly (readonly Token[])[]>

/** Everything that a read changes, so that a message which does not hold leaves no trace. */
interface State {
  readonly chainingKey: Uint8Array
  readonly hash: Uint8Array
  readonly key: Uint8Array | undefined
  readonly n: number
  readonly remoteStatic: Uint8Array | undefined
  readonly remoteEphemeral: Uint8Array | undefined
  readonly step: number
}

export interface HandshakeOptions {
  readonly pattern: keyof typeof patterns
  readonly initiator: boolean
  readonly prologue: Uint8Array
  readonly static: KeyPair
  /** Of this handshake alone. */
  readonly ephemeral: KeyPair
}

/** A handshake message that does not hold: wrong length, tag, key, or turn. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError'
}

export class Handshake {
  readonly #options: HandshakeOptions
  readonly #withPsk: boolean
  #state: State
  #psk: Uint8Array | undefined

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#withPsk = options.pattern.includes('psk')
    const name = utf8(`Noise_${options.pattern}_25519_ChaChaPoly_SHA256`)
    const hash = name.length <= KEY ? concat(name, new Uint8Array(KEY - name.length)) : sha256(name)
    this.#state = {
      chainingKey: hash,
      hash: sha256(hash, options.prologue),
      key: undefined,
      n: 0,
      remoteStatic: undefined,
      remoteEphemeral: undefined,
      step: 0,
    }
  }

  /** h: binds everything sent and received so far. */
  get hash(): Uint8Array {
    return this.#state.hash
  }

  get remoteStatic(): Uint8Array | undefined {
    return this.#state.remoteStatic
  }

  /** 32 bytes; needed before message 3 of XXpsk3, and so may depend on messages 1 and 2. */
  setPsk(psk: Uint8Array): void {
    this.#psk = psk
  }

  /** The same handshake as it stands; what one of the two reads or writes does not touch the other. */
  clone(): Handshake {
    const copy = new Handshake(this.#options)
    copy.#state = this.#state
    copy.#psk = this.#psk
    return copy
  }

  writeMessage(payload: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = []
    for (const token of this.#tokens(true)) {
      if (token === 'e') {
        const { publicKey } = this.#options.ephemeral
        parts.push(publicKey)
        this.#mixEphemeral(publicKey)
      } else if (token === 's') parts.push(this.#encryptAndHash(this.#options.static.publicKey))
      else this.#mixSecret(token)
    }
    parts.push(this.#encryptAndHash(payload))
    this.#change({ step: this.#state.step + 1 })
    return concat(...parts)
  }

  /** The payload. Throws HandshakeError and stays as it was where the message does not hold. */
  readMessage(message: Uint8Array): Uint8Array {
    const before = this.#state
    try {
      let at = 0
      const take = (length: number): Uint8Array => {
        if (message.length < at + length) throw new HandshakeError('message is too short')
        at += length
        return message.slice(at - length, at)
      }
      for (const token of this.#tokens(false)) {
        if (token === 'e') {
          const remoteEphemeral = take(KEY)
          this.#change({ remoteEphemeral })
          this.#mixEphemeral(remoteEphemeral)
        } else if (token === 's') {
          const remoteStatic = this.#decryptAndHash(take(this.#state.key === undefined ? KEY : KEY + TAG))
          this.#change({ remoteStatic })
        } else this.#mixSecret(token)
      }
      const payload = this.#decryptAndHash(message.slice(at))
      this.#change({ step: this.#state.step + 1 })
      return payload
    } catch (error) {
      this.#state = before
      if (error instanceof HandshakeError) throw error
      throw new HandshakeError('key agreement failed', { cause: error })
    }
  }

  /** Transport keys of this side, after the last message. */
  split(): { readonly send: Uint8Array; readonly receive: Uint8Array } {
    if (this.#state.step !== patterns[this.#options.pattern].length) throw new HandshakeError('handshake is not done')
    const [first, second] = derive(this.#state.chainingKey, EMPTY)
    return this.#options.initiator ? { send: first, receive: second } : { send: second, receive: first }
  }

  #tokens(writing: boolean): readonly Token[] {
    const { step } = this.#state
    const tokens = patterns[this.#options.pattern][step]
    const turn = (step % 2 === 0) === this.#options.initiator
    if (tokens === undefined || turn !== writing) throw new HandshakeError('message out of turn')
    return tokens
  }

  #change(part: Partial<State>): void {
    this.#state = { ...this.#state, ...part }
  }

  #mixSecret(token: Exclude<Token, 'e' | 's'>): void {
    if (token === 'psk') {
      if (this.#psk === undefined) throw new HandshakeError('no pre-shared key')
      const [chainingKey, hash, key] = derive(this.#state.chainingKey, this.#psk)
      this.#change({ chainingKey, hash: sha256(this.#state.hash, hash), key, n: 0 })
      return
    }
    const own = (token === 'es') === this.#options.initiator ? 'ephemeral' : 'static'
    const local = token === 'ee' ? this.#options.ephemeral : this.#options[own]
    const remote = token === 'ee' || own === 'static' ? this.#state.remoteEphemeral : this.#state.remoteStatic
    if (remote === undefined) throw new HandshakeError('remote key is not known yet')
    this.#mixKey(local.agree(remote))
  }

  #mixEphemeral(publicKey: Uint8Array): void {
    this.#mixHash(publicKey)
    if (this.#withPsk) this.#mixKey(publicKey)
  }

  #mixKey(input: Uint8Array): void {
    const [chainingKey, key] = derive(this.#state.chainingKey, input)
    this.#change({ chainingKey, key, n: 0 })
  }

  #mixHash(data: Uint8Array): void {
    this.#change({ hash: sha256(this.#state.hash, data) })
  }

  #encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const { key, n, hash } = this.#state
    const out = key === undefined ? plaintext : seal(key, n, hash, plaintext)
    if (key !== undefined) this.#change({ n: n + 1 })
    this.#mixHash(out)
    return out
  }

  #decryptAndHash(data: Uint8Array): Uint8Array {
    const { key, n, hash } = this.#state
    const out = key === undefined ? data : open(key, n, hash, data)
    if (out === undefined) throw new HandshakeError('message is not authentic')
    if (key !== undefined) this.#change({ n: n + 1 })
    this.#mixHash(data)
    return out
  }
}
