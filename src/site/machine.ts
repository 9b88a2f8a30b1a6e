import { type Hedge, hedged } from '../ceremony/hedge.ts'
import { systemClock } from '../host/clock.ts'
import { pastEnd } from '../host/node-lines.ts'
import { systemRandom } from '../host/random.ts'
import { utf8 } from '../lib/bytes.ts'
import { hashOf } from '../lib/hash.ts'
import type { Random } from '../lib/ports.ts'
import { Secret } from '../lib/secret.ts'

/** Ports of this machine for every use case. The hash of the build is not among them: only a join reads all files. */
export const machine: Hedge['machine'] = {
  clock: systemClock,
  random: systemRandom,
  processId: process.pid,
  vmGeneration: null,
  runtime: `node ${process.versions.node}`,
}

/** For the first secrets of a home (`folder`), which has no hedge key yet: two machines that draw alike still differ in clocks and process. */
export const firstRandom = (folder: string): Random => {
  const home = { hedge: new Secret(machine.random(32)) }
  return hedged({ machine, home }, hashOf(utf8(folder)), 'first secrets of a home')
}

/** One line where this Node gets no security fixes any more. */
export const runtimeWarning = (now = machine.clock.now()): string | undefined => pastEnd(process.versions.node, now)
