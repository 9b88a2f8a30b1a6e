const FIRST_RETRY = 50
const LAST_RETRY = 2000
/** Slower than doubling: on a wire that loses one frame in five the third attempt is still quick. */
const GROWTH = 1.5

/** Something sent again and again until it is answered; times in monotonic milliseconds. */
export interface Repeated {
  readonly frame: Uint8Array
  sends: number
  last: number
  due: number
}

const delay = (sends: number): number => Math.min(LAST_RETRY, FIRST_RETRY * GROWTH ** Math.min(sends - 1, 20))

/** Sends frames, and keeps count of when each is due again. */
export class Repeater {
  readonly #transmit: (frame: Uint8Array) => void

  constructor(transmit: (frame: Uint8Array) => void) {
    this.#transmit = transmit
  }

  first(frame: Uint8Array, now: number): Repeated {
    this.#transmit(frame)
    return { frame, sends: 1, last: now, due: now + delay(1) }
  }

  again(repeat: Repeated, now: number): void {
    repeat.sends += 1
    repeat.last = now
    repeat.due = now + delay(repeat.sends)
    this.#transmit(repeat.frame)
  }
}
