import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/host/clock.ts'
import { defaultLimits } from '../../src/transport/relay/limits.ts'
import { spawnQuorate } from '../faults/spawned.ts'
import { finished } from '../support/cli.ts'

const attacker = fileURLToPath(new URL('sockets-attacker.mjs', import.meta.url))

export interface RelayProcess {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  signal(name: NodeJS.Signals): void
}

/** `quorate relay serve` on a free port; limits as NAME=NUMBER. */
export const relayProcess = async (...limits: readonly string[]): Promise<RelayProcess> => {
  const args = ['relay', 'serve', '--port', '0', '--quiet', ...limits.flatMap((limit) => ['--limit', limit])]
  const { process: child, ended, out } = spawnQuorate(args)
  for (let waited = 0; !out().includes('}'); waited += 10) {
    if (child.exitCode !== null || waited > 20_000) throw new Error((await ended).text)
    await systemClock.sleep(10)
  }
  const { url } = JSON.parse(out()) as { url?: string }
  if (url === undefined) throw new Error((await ended).text)
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid ?? 0,
    ended,
    signal: (name) => void child.kill(name),
  }
}

export type Kinds = Readonly<Record<string, number>>

/** An attack of one process on what the clients of a relay share, and when it is under way. */
interface SharedAttack {
  readonly kinds: Kinds
  holds(seen: Kinds): boolean
}
const each: Readonly<Record<string, SharedAttack>> = {
  lazy: { kinds: { lazy: 25 }, holds: ({ members = 0 }) => members >= 45 },
  halves: { kinds: { halves: 400 }, holds: ({ members = 0 }) => members >= 200 },
  // Not a count of notes: how many the relay takes from one network depends on how busy it is.
  notes: { kinds: { notes: 192 }, holds: ({ buffered = 0 }) => buffered >= defaultLimits.bufferedTotal / 2 },
  rooms: { kinds: { rooms: 4200 }, holds: ({ rooms = 0 }) => rooms >= 300 },
  leave: { kinds: { leave: 50 }, holds: ({ notes_total = 0 }) => notes_total >= 15 },
}
/** Each attack, and all of them together. */
export const attacks: Readonly<Record<string, SharedAttack>> = {
  ...each,
  all: {
    kinds: Object.assign({}, ...Object.values(each).map(({ kinds }) => kinds)),
    holds: ({ admitted_total = 0 }) => admitted_total >= 300,
  },
}

export interface Attack {
  /** When every process has opened its first sockets. */
  readonly begun: Promise<void>
  /** Ends it; how many sockets of each kind were opened. */
  stop(): Promise<Kinds>
}

/** Attackers sit at other machines: on this one they get what the relay and the honest leave over, where Linux can say so. */
const LEFT_OVER = 'chrt --idle --pid 0 $$ 2>/dev/null; exec "$0" "$@"'
const AT_ONCE = 'exec "$0" "$@"'

/** Milliseconds for an attack to come about. */
const UNDER_WAY = 120_000

/** An attack from one other address, when it is under way. */
export const sharedAttack = async ({ url, port }: RelayProcess, { kinds, holds }: SharedAttack): Promise<Attack> => {
  const running = attack(port, ['127.0.0.2'], kinds, AT_ONCE)
  for (let waited = 0; ; waited += 100) {
    const seen = await metrics(url)
    if (holds(seen)) break
    if (waited > UNDER_WAY) throw new Error(`the attack does not come about: ${JSON.stringify(seen)}`)
    await systemClock.sleep(100)
  }
  return running
}

/** Hostile sockets from processes of their own, one an address. */
export const attack = (port: number, addresses: readonly string[], kinds: Kinds, start = LEFT_OVER): Attack => {
  const children: ChildProcess[] = addresses.map((address) =>
    spawn('sh', ['-c', start, process.execPath, attacker, JSON.stringify({ port, address, kinds })], {
      stdio: 'pipe',
    }),
  )
  const ends = children.map(finished)
  const first = (child: ChildProcess): Promise<void> =>
    new Promise((resolve) => {
      child.stdout?.once('data', () => resolve())
      child.once('close', () => resolve())
    })
  return {
    begun: Promise.all(children.map(first)).then(() => {}),
    stop: async () => {
      for (const child of children) child.stdin?.end()
      const total: Record<string, number> = {}
      for (const { code, stdout, stderr } of await Promise.all(ends)) {
        if (code !== 0) throw new Error(`an attacker failed: ${stderr}`)
        for (const [kind, n] of Object.entries(JSON.parse(stdout.replace('begun\n', '')) as Kinds))
          total[kind] = (total[kind] ?? 0) + n
      }
      return total
    },
  }
}

export const percentile = (samples: readonly number[], share: number): number =>
  [...samples].sort((a, b) => a - b)[Math.min(samples.length - 1, Math.floor(samples.length * share))] ?? 0

const page = (url: string, path: string): Promise<Response> => fetch(`${url.replace('ws:', 'http:')}${path}`)

export const health = async (url: string): Promise<number> => (await page(url, '/health')).status

export const metricsText = async (url: string): Promise<string> => (await page(url, '/metrics')).text()

/** By their names without the prefix. */
export const metrics = async (url: string): Promise<Readonly<Record<string, number>>> =>
  Object.fromEntries(
    [...(await metricsText(url)).matchAll(/^quorate_relay_(\w+) (\d+)$/gm)].map(([, name = '', value]) => [
      name,
      Number(value),
    ]),
  )
