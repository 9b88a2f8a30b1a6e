import type { Duplex } from 'node:stream'

/** Bytes given to the parser at once. */
const PIECE = 4096
/** Messages in one piece after which the others have their turn. */
const MANY = 16

/**
 * Stands between a socket and the WebSocket parser that listens on it, and gives it what was read piece by piece: one
 * read may hold thousands of messages, and they would all be handled before anybody else's, even after the first of
 * them has ended the connection.
 */
export class Intake {
  readonly #raw: Duplex
  readonly #parse: (piece: Uint8Array) => void
  #waiting: Uint8Array = new Uint8Array(0)
  #held = false
  #ended = false
  #scheduled = false
  #messages = 0

  /** `seen` is told how many bytes came, before any of them is parsed. */
  constructor(raw: Duplex, seen: (bytes: number) => void) {
    this.#raw = raw
    const parsers = raw.listeners('data')
    for (const parser of parsers) raw.off('data', parser as (piece: Uint8Array) => void)
    this.#parse = (piece) => {
      for (const parser of parsers) parser.call(raw, piece)
    }
    const take = (chunk: Uint8Array): void => {
      seen(chunk.length)
      if (this.#ended) return
      this.#waiting = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk])
      if (!this.#scheduled) this.#go()
    }
    raw.on('data', take)
    // Before the parser's own listener, which reads what is left.
    raw.prependOnceListener('close', () => {
      this.end()
      raw.off('data', take)
    })
  }

  /** One message was handled. */
  worked(): void {
    this.#messages += 1
  }

  /** Nothing more is parsed or read until `release`. */
  hold(): void {
    this.#held = true
    this.#raw.pause()
  }

  release(): void {
    this.#held = false
    if (!this.#scheduled) this.#go()
  }

  /** Nothing more is parsed, ever. */
  end(): void {
    this.#ended = true
    this.#waiting = new Uint8Array(0)
  }

  #go(): void {
    while (this.#waiting.length > 0 && !this.#held && !this.#ended) {
      this.#messages = 0
      const piece = this.#waiting.subarray(0, PIECE)
      this.#waiting = this.#waiting.subarray(PIECE)
      this.#parse(piece)
      if (this.#messages <= MANY || this.#waiting.length === 0) continue
      this.#raw.pause()
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.#go()
      })
      return
    }
    if (!this.#held && !this.#ended) this.#raw.resume()
  }
}
