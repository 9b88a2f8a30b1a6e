import { systemClock } from '../src/host/clock.ts'
import { type Ceremony, ceremony } from '../test/hostile/sockets-ceremony.ts'
import { attacks, metrics, relayProcess, sharedAttack } from '../test/hostile/sockets-world.ts'
import { type Measurement, measurement, type Sample, type Wanted } from './measure.ts'

const SECONDS = 8
const MEBI = 2 ** 20

const rounds = async (honest: Ceremony, url: string): Promise<Sample[]> => {
  const signing = await honest.sign()
  const peak = ((await metrics(url))['resident_bytes'] ?? 0) / MEBI
  await systemClock.sleep(10)
  return signing.rounds.map((ms) => ({ ms, cpu: 0, peak }))
}

/**
 * Rounds of an honest ceremony over a relay under each attack, and under all at once, from one other address; and, in turns
 * with them, over a relay beside it that nobody attacks but that has the same machine. The aim is a P95 of twice that one
 * at most. The peak is the relay's memory.
 */
export default async (wanted: Wanted): Promise<Measurement[]> => {
  const out: Measurement[] = []
  for (const [name, one] of Object.entries(attacks)) {
    if (!wanted(`relay-attacked/${name}/`)) continue
    const relays = [await relayProcess(), await relayProcess()] as const
    const [attacked, beside] = relays
    const honest = await ceremony(attacked.url, ['eu', 'us', 'ap'])
    const control = await ceremony(beside.url, ['eu', 'us', 'ap'])
    const running = await sharedAttack(attacked, one)
    const samples: readonly [Sample[], Sample[]] = [[], []]
    for (const end = performance.now() + SECONDS * 1000; performance.now() < end; ) {
      samples[0].push(...(await rounds(honest, attacked.url)))
      samples[1].push(...(await rounds(control, beside.url)))
    }
    out.push(measurement(`relay-attacked/${name}/attacked`, samples[0]))
    out.push(measurement(`relay-attacked/${name}/beside`, samples[1]))
    await running.stop()
    await Promise.all([honest.close(), control.close()])
    for (const relay of relays) relay.signal('SIGKILL')
    await Promise.all(relays.map(({ ended }) => ended))
  }
  return out
}
