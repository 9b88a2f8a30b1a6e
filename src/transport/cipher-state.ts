import type { Hash } from '../lib/brand.ts'
import { type Content, decodeContent, decodeSealed, encodeContent, encodeFrame, encodeSealed } from './channel-frame.ts'
import type { Established } from './handshake.ts'
import { open, seal } from './noise.ts'

const EMPTY = new Uint8Array(0)
/** How far behind the highest number a packet may come. */
const WINDOW = 4096

/** The fate of a sealed frame's body. `old`: seen before, or too far behind to know. */
type Opened = Content | 'old' | 'unauthentic' | 'malformed'

/** The keys of one handshake. Every packet has a number of its own, never used twice, which is its nonce. */
export class CipherState {
  readonly id: string
  readonly binding: Hash
  readonly instance: string
  readonly #send: Uint8Array
  readonly #receive: Uint8Array
  readonly #seen = new Float64Array(WINDOW).fill(-1)
  #sent = 0
  #highest = -1

  constructor(established: Established) {
    this.id = established.id
    this.binding = established.binding
    this.instance = established.instance
    this.#send = established.send
    this.#receive = established.receive
  }

  /** True once the peer has proven, by one frame, that it holds the same keys. */
  get confirmed(): boolean {
    return this.#highest >= 0
  }

  /** A whole channel frame. */
  seal(content: Content): Uint8Array {
    const number = this.#sent
    this.#sent += 1
    const ciphertext = seal(this.#send, number, EMPTY, encodeContent(content))
    return encodeFrame({ kind: 'sealed', id: this.id, body: encodeSealed(number, ciphertext) })
  }

  open(body: Uint8Array): Opened {
    const packet = decodeSealed(body)
    if (packet === undefined) return 'malformed'
    const { number, ciphertext } = packet
    const slot = number % WINDOW
    if (number <= this.#highest - WINDOW || this.#seen[slot] === number) return 'old'
    const plaintext = open(this.#receive, number, EMPTY, ciphertext)
    if (plaintext === undefined) return 'unauthentic'
    this.#seen[slot] = number
    this.#highest = Math.max(this.#highest, number)
    return decodeContent(plaintext) ?? 'malformed'
  }

  wipe(): void {
    this.#send.fill(0)
    this.#receive.fill(0)
  }
}
