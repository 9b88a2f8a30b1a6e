import { inspect } from 'node:util'

/**
 * Holds secret bytes so that no log, error, JSON document or inspection shows them. `reveal` is the only way in;
 * `wipe` overwrites the one copy that this holder knows of (JavaScript may have made others: SECURITY.md).
 */
export class Secret {
  #bytes: Uint8Array | undefined

  /** Takes the buffer over: the caller keeps no reference. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get length(): number {
    return this.reveal().length
  }

  /** The bytes themselves, not a copy. Throws after `wipe`. */
  reveal(): Uint8Array {
    if (this.#bytes === undefined) throw new Error('secret used after it was wiped')
    return this.#bytes
  }

  wipe(): void {
    this.#bytes?.fill(0)
    this.#bytes = undefined
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
