import type { Hash } from '../lib/brand.ts'
import { toHex } from '../lib/bytes.ts'
import type { Random } from '../lib/ports.ts'
import type { Secret } from '../lib/secret.ts'
import { hedgedRandom } from '../mpc/hedged.ts'
import type { Site } from './ports.ts'

/** The parts of a source of secret randomness at one site. */
export type Hedge = {
  readonly machine: Omit<Site['machine'], 'build' | 'sdks'>
  readonly home: Pick<Site['home'], 'hedge'>
}

/**
 * A source of secret randomness for one use, named by its label: PROTOCOL.md §11. Everything secret that a site draws
 * comes from here; `machine.random` alone gives public values (test/arch/randomness.test.ts holds this). A source is made
 * once for each use and kept, since its counter is what tells two draws in one instant apart.
 */
export const hedged = (
  { machine, home }: Hedge,
  session: Hash,
  label: string,
  share?: Secret,
  message?: Uint8Array,
): Random =>
  hedgedRandom({
    random: machine.random,
    clock: machine.clock,
    hedgeKey: home.hedge,
    session,
    label,
    processId: machine.processId,
    ...(share === undefined ? {} : { share }),
    ...(message === undefined ? {} : { message }),
    ...(machine.vmGeneration === null ? {} : { vmGeneration: toHex(machine.vmGeneration) }),
  })
