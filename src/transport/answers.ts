import type { Hash } from '../lib/brand.ts'
import { fromHex } from '../lib/bytes.ts'
import { hashOf } from '../lib/hash.ts'
import { type ChannelFrame, encodeFrame } from './channel-frame.ts'
import type { Counters } from './counters.ts'
import { type Answer, answer, type Established, type Other, type Refusal, type Self } from './handshake.ts'
import type { Repeated, Repeater } from './retry.ts'

/** Shortest time between two equal frames that another's frame causes. */
export const ECHO_GAP = 25
const ANSWERS = 8
const FINISHED = 64
const NEW_ANSWERS = { burst: 16, perSecond: 4 }

interface OpenAnswer {
  readonly id: string
  readonly answer: Answer
  readonly repeat: Repeated
}

/**
 * The responder's side of handshakes that are not complete. Each message 1 is answered once and its answer repeated; few
 * are open at once, and few are made a second, since anybody can send a message 1.
 */
export class Answers {
  readonly #options: {
    readonly authority: Hash
    readonly self: Self
    readonly other: Other
    readonly counters: Counters
    readonly repeater: Repeater
  }
  /** By id and message 1: whoever passes on a broken copy first must not have the true one taken for answered. */
  readonly #open = new Map<string, OpenAnswer>()
  readonly #finished = new Set<string>()
  #tokens = NEW_ANSWERS.burst
  #tokensAt: number

  constructor(
    options: {
      readonly authority: Hash
      readonly self: Self
      readonly other: Other
      readonly counters: Counters
      readonly repeater: Repeater
    },
    now: number,
  ) {
    this.#options = options
    this.#tokensAt = now
  }

  has(id: string): boolean {
    return [...this.#open.values()].some((one) => one.id === id)
  }

  onFirst({ id, body }: ChannelFrame, now: number): void {
    const { authority, self, other, counters, repeater } = this.#options
    if (this.#finished.has(id)) {
      counters.old += 1
      return
    }
    const key = `${id} ${hashOf(body)}`
    const known = this.#open.get(key)
    if (known !== undefined) {
      counters.duplicates += 1
      if (now - known.repeat.last >= ECHO_GAP) repeater.again(known.repeat, now)
      return
    }
    if (!this.#takeToken(now)) {
      counters.limited += 1
      return
    }
    const fresh = answer(authority, self, other, fromHex(id), body)
    if (fresh === undefined) {
      counters.unauthentic += 1
      return
    }
    if (this.#open.size >= ANSWERS) {
      const oldest = this.#open.keys().next()
      if (oldest.done !== true) this.#open.delete(oldest.value)
    }
    const frame = encodeFrame({ kind: 'second', id, body: fresh.second })
    this.#open.set(key, { id, answer: fresh, repeat: repeater.first(frame, now) })
  }

  /** Completes by message 3: its keys, or why not. Handshakes that were answered before it can no longer complete. */
  complete(id: string, third: Uint8Array): Established | Refusal | 'unknown' {
    let refusal: Refusal | 'unknown' = 'unknown'
    for (const [chosen, one] of this.#open) {
      if (one.id !== id) continue
      const done = one.answer.finish(third)
      if (typeof done === 'string') {
        refusal = done
        continue
      }
      // In the order of arrival.
      for (const [key, older] of [...this.#open]) {
        this.#open.delete(key)
        this.#finish(older.id)
        if (key === chosen) break
      }
      return done
    }
    return refusal
  }

  clear(): void {
    this.#open.clear()
  }

  #takeToken(now: number): boolean {
    const gained = ((now - this.#tokensAt) / 1000) * NEW_ANSWERS.perSecond
    this.#tokens = Math.min(NEW_ANSWERS.burst, this.#tokens + gained)
    this.#tokensAt = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  #finish(id: string): void {
    this.#finished.add(id)
    if (this.#finished.size <= FINISHED) return
    const oldest = this.#finished.values().next()
    if (oldest.done !== true) this.#finished.delete(oldest.value)
  }
}
