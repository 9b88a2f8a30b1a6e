import { hkdfSync } from 'node:crypto'
import type { Hash } from '../lib/brand.ts'
import { concat, fromHex, utf8 } from '../lib/bytes.ts'
import { tupleHash } from '../lib/hash.ts'
import type { Clock, Random } from '../lib/ports.ts'
import type { Secret } from '../lib/secret.ts'

export interface HedgeOptions {
  /** The system's. */
  readonly random: Random
  readonly clock: Clock
  /** Made with the home, never leaves it. */
  readonly hedgeKey: Secret
  readonly share?: Secret
  readonly session: Hash
  /** The use of the bytes; differs between any two sources of one session. */
  readonly label: string
  readonly message?: Uint8Array
  readonly processId: number
  /** Changes when a virtual machine is cloned or rolled back, where the platform tells. */
  readonly vmGeneration?: string
}

const SYSTEM_BYTES = 64
/** HKDF's own limit with SHA-512. */
const MOST_BYTES = 255 * 64

const number = (n: number): Uint8Array => {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setFloat64(0, n)
  return out
}

/**
 * The source of all secret randomness of a protocol (PROTOCOL.md §11). It is as good as the system's random bytes; where
 * these repeat, as in a cloned machine, output still differs with session, label, message, either clock, process, machine
 * generation or the number of calls before, and stays unknown to who lacks the hedge key.
 */
export const hedgedRandom = (options: HedgeOptions): Random => {
  const { random, clock, hedgeKey, share, session, label, processId } = options
  const message = options.message === undefined ? [] : [options.message]
  const vmGeneration = options.vmGeneration === undefined ? [] : [utf8(options.vmGeneration)]
  let calls = 0
  return (length) => {
    if (length > MOST_BYTES) throw new RangeError(`at most ${MOST_BYTES} random bytes at once`)
    calls += 1
    const secrets = [random(SYSTEM_BYTES), hedgeKey.reveal(), ...(share === undefined ? [] : [share.reveal()])]
    const key = concat(...secrets.flatMap((secret) => [number(secret.length), secret]))
    const info = tupleHash(
      'quorate hedged randomness v1',
      fromHex(session),
      utf8(label),
      tupleHash('message', ...message),
      number(clock.now()),
      number(clock.monotonic()),
      number(processId),
      tupleHash('vm generation', ...vmGeneration),
      number(calls),
      number(length),
    )
    const out = new Uint8Array(hkdfSync('sha512', key, '', info, length))
    key.fill(0)
    secrets[0]?.fill(0)
    return out
  }
}
