import { systemClock } from '../host/clock.ts'
import { toHex } from '../lib/bytes.ts'
import type { Clock } from '../lib/ports.ts'
import type { Props } from '../rehearsal/stage.ts'
import { machine } from './machine.ts'

/** All that a rehearsal or a drill takes from this machine: the time, the hash of the build, and a seed where none is given. */
export const rehearsalProps = async (seed: string | undefined): Promise<Omit<Props, 'clock'> & { clock: Clock }> => {
  const { buildHash } = await import('../host/build.ts')
  return {
    seed: seed ?? toHex(machine.random(8)),
    build: buildHash(),
    runtime: machine.runtime,
    clock: systemClock,
    stopwatch: () => systemClock.monotonic(),
  }
}
