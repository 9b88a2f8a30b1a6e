import type { Duplex } from 'node:stream'

/** Bytes given to the parser at once. */
const PIECE = 4096
/** Messages that are handled at once, even for whoever is calm. */
const MANY = 16

const copied = (piece: Uint8Array): Uint8Array => {
  const copy = Buffer.allocUnsafeSlow(piece.length)
  copy.set(piece)
  return copy
}

interface ThrottledReaderOptions {
  /** Does a piece of work when it is its turn. */
  later(piece: () => boolean): void
  /** True where bytes are parsed as soon as they are read: of a member that has asked for little lately. */
  calm(): boolean
  /** Is told how many bytes came, before any of them is parsed. */
  seen(bytes: number): void
}

/**
 * Stands between a socket and the WebSocket parser that listens on it, and gives it what was read piece by piece: one
 * read may hold thousands of messages, and they would all be handled before anybody else's, even after the first of
 * them has ended the connection. Pieces of strangers and of those who send much wait their turn, and nothing more is read
 * from them meanwhile.
 */
export class ThrottledReader {
  readonly #raw: Duplex
  readonly #options: ThrottledReaderOptions
  readonly #parse: (piece: Uint8Array) => void
  #waiting: Uint8Array = new Uint8Array(0)
  #holds = 0
  #ended = false
  #scheduled = false
  #messages = 0

  constructor(raw: Duplex, options: ThrottledReaderOptions) {
    this.#raw = raw
    this.#options = options
    const parsers = raw.listeners('data')
    for (const parser of parsers) raw.off('data', parser as (piece: Uint8Array) => void)
    this.#parse = (piece) => {
      for (const parser of parsers) parser.call(raw, piece)
    }
    const take = (chunk: Uint8Array): void => {
      options.seen(chunk.length)
      if (this.#ended) return
      this.#waiting = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk])
      this.#go()
    }
    raw.on('data', take)
    // Before the parser's own listener, which reads what is left.
    raw.prependOnceListener('close', () => {
      this.end()
      raw.off('data', take)
    })
  }

  /** Bytes that were read and are not parsed. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** One message was handled. */
  worked(): void {
    this.#messages += 1
  }

  /** Nothing more is parsed or read until `release`, as often as it was held. */
  hold(): void {
    this.#holds += 1
    this.#raw.pause()
  }

  release(): void {
    this.#holds -= 1
    this.#go()
  }

  /** Nothing more is parsed, ever. */
  end(): void {
    this.#ended = true
    this.#waiting = new Uint8Array(0)
  }

  get #may(): boolean {
    return this.#waiting.length > 0 && this.#holds === 0 && !this.#ended
  }

  #go(): void {
    if (this.#scheduled || this.#holds > 0) {
      // Whoever resumed the socket knew nothing of what still waits here.
      this.#raw.pause()
      return
    }
    this.#messages = 0
    while (this.#may && this.#messages <= MANY && this.#options.calm()) this.#piece()
    if (this.#may) this.#later()
    else if (this.#holds === 0 && !this.#ended) this.#raw.resume()
  }

  #later(): void {
    this.#scheduled = true
    this.#raw.pause()
    this.#options.later(() => {
      this.#scheduled = false
      const may = this.#may
      if (may) this.#piece()
      if (this.#may) this.#later()
      else this.#go()
      return may
    })
  }

  #piece(): void {
    const piece = this.#waiting.subarray(0, PIECE)
    const whole = piece.length === this.#waiting.length
    this.#waiting = this.#waiting.subarray(PIECE)
    // A copy of its own: what the parser keeps of it would keep all that was read with it.
    this.#parse(whole && piece.byteLength === piece.buffer.byteLength ? piece : copied(piece))
  }
}
