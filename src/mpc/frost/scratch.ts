import type { Scalar, ScalarField } from '../group/group.ts'

/** Secrets that a run makes on its way, to be wiped at its end whichever it is. */
export class Scratch {
  readonly #field: ScalarField
  readonly #scalars: Scalar[] = []
  readonly #encodings: Uint8Array[] = []

  constructor(field: ScalarField) {
    this.#field = field
  }

  /** Keeps a scalar for the end, and returns it. */
  scalar(one: Scalar): Scalar {
    this.#scalars.push(one)
    return one
  }

  /** Keeps an encoding for the end, and returns it. */
  encoding(one: Uint8Array): Uint8Array {
    this.#encodings.push(one)
    return one
  }

  wipe(): void {
    for (const one of this.#scalars) this.#field.wipe(one)
    for (const one of this.#encodings) one.fill(0)
  }
}
