import { readFileSync } from 'node:fs'
import { test } from 'vitest'
import { built } from '../support/cli.ts'
import { attack, ceremony, metrics, percentile, relayProcess } from './sockets-world.ts'

const KINDS = JSON.parse(
  process.env['KINDS'] ??
    '{"silent":38,"slow":38,"flood":38,"small":12,"huge":25,"compressed":25,"malformed":25,"halfClosed":25,"forged":15,"member":5}',
)
const SECS = Number(process.env['SECS'] ?? 8)
test('measure', { timeout: 200_000 }, async () => {
  await built()
  const relay = await relayProcess()
  const honest = await ceremony(relay.url, ['eu', 'us', 'ap'])
  for (let i = 0; i < 100; i += 1) await honest.round()
  const measure = async (ms: number) => {
    const out: number[] = []
    const end = performance.now() + ms
    while (performance.now() < end) {
      out.push(await honest.round())
      await new Promise((r) => setTimeout(r, 10))
    }
    return out
  }
  const show = (what: string, s: number[]) =>
    console.log(what, s.length, [0.5, 0.9, 0.95, 0.99, 1].map((p) => percentile(s, p).toFixed(1)).join(' '))
  show('quiet', await measure(4000))
  console.log((await metrics(relay.url))['resident_bytes'])
  const running = attack(relay.port, ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'], KINDS)
  show('first', await measure(3000))
  const c0 = performance.now()
  const m0 = cpu()
  show('attack', await measure(SECS * 1000))
  console.log('relay cpu', (((cpu() - m0) / (performance.now() - c0)) * 10).toFixed(2), await metrics(relay.url))
  console.log(await running.stop())
  await new Promise((r) => setTimeout(r, 1000))
  show('after', await measure(3000))
  console.log((await metrics(relay.url))['resident_bytes'])
  await honest.close()
  relay.signal('SIGKILL')
  await relay.ended
  function cpu() {
    const f = readFileSync(`/proc/${relay.pid}/stat`, 'utf8').split(' ')
    return Number(f[13]) + Number(f[14])
  }
})
