import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/host/clock.ts'
import type { RelayRoom } from '../../src/transport/relay-client.ts'
import { spawnQuorate } from '../faults/spawned.ts'
import { finished } from '../support/cli.ts'
import { enterAs, person } from '../transport/relay-support.ts'
import { type End, openEnd, site, TOPIC } from '../transport/support.ts'

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

export interface Attack {
  /** When every process has opened its first sockets. */
  readonly begun: Promise<void>
  /** Ends it; how many sockets of each kind were opened. */
  stop(): Promise<Kinds>
}

/** Hostile sockets from processes of their own, one an address. */
export const attack = (port: number, addresses: readonly string[], kinds: Kinds): Attack => {
  const children: ChildProcess[] = addresses.map((address) =>
    spawn(process.execPath, [attacker, JSON.stringify({ port, address, kinds })], { stdio: 'pipe' }),
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

/** Honest members of one room who go through rounds: each sends to all, and each waits for what all have sent. */
export interface Ceremony {
  /** Milliseconds of one round: from the first sending until everybody has everything. */
  round(): Promise<number>
  readonly rooms: readonly RelayRoom[]
  /** Times that a member's channels had to begin anew. */
  replaced(): number
  close(): Promise<void>
}

const LENGTH = 2000

export const ceremony = async (url: string, names: readonly string[]): Promise<Ceremony> => {
  const people = await Promise.all(names.map((name) => person(name)))
  const rooms = people.map((one) => enterAs(one, people, [{ url }]))
  let left = 0
  let all: () => void = () => {}
  const ends: End[] = names.map((name, n) =>
    openEnd(
      name,
      names.filter((other) => other !== name),
      rooms[n] as RelayRoom,
      {
        onMessage: () => {
          left -= 1
          if (left === 0) all()
        },
      },
    ),
  )
  const message = new Uint8Array(LENGTH)
  return {
    rooms,
    replaced: () => ends.reduce((sum, end) => sum + end.replaced.length, 0),
    round: async () => {
      const begun = performance.now()
      left = names.length * (names.length - 1)
      const done = new Promise<void>((resolve) => {
        all = resolve
      })
      for (const end of ends)
        for (const name of names) if (name !== end.name) void end.channels.send(site(name), TOPIC, message)
      await done
      return performance.now() - begun
    },
    close: async () => {
      await Promise.all(ends.map((end) => end.close()))
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
