import type { Suite } from '../../src/mpc/frost/suite.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'

/** Encodings that a liar sends: of no scalar, of another one, of no element. */

/** The group's order as an encoded scalar: the first that is out of range. */
export const order = ({ group: { field } }: Suite): Uint8Array => {
  // −1 encoded, plus one.
  const bytes = field.encode(field.subtract(field.fromNumber(0), field.fromNumber(1)))
  const at = field.encode(field.fromNumber(1))[0] === 1 ? 0 : bytes.length - 1
  bytes[at] = (bytes[at] as number) + 1
  return bytes
}

export const zero = ({ group: { field } }: Suite): Uint8Array => field.encode(field.fromNumber(0))

export const plusOne = (suite: Suite, scalar: Uint8Array): Uint8Array => {
  const { field } = suite.group
  return field.encode(field.add(field.decode(scalar) as Scalar, field.fromNumber(1)))
}

export const multipleOfBase = ({ group }: Suite, n: number): Uint8Array =>
  group.encode(group.timesBase(group.field.fromNumber(n)))

export const notAnElement = (suite: Suite): Uint8Array => {
  const bytes = multipleOfBase(suite, 5)
  for (;;) {
    const at = bytes.length - 2
    bytes[at] = ((bytes[at] as number) + 1) % 256
    if (suite.group.decode(bytes) === undefined) return bytes
  }
}
