import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openRoot } from '../../src/host/disk.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { verifyFile } from '../../src/site/verify.ts'
import type { Relay } from '../../src/transport/relay/server.ts'
import { NIGHTLY, report, SEED } from '../support/report.ts'
import { relayOn, relaySigner } from '../transport/relay-support.ts'
import type { RealHomes } from './homes.ts'
import { type Spawned, spawnQuorate } from './spawned.ts'

/** Cases mostly wait for deadlines: this many at a time. */
const LANES = 6
export const deadlines = { gather: 30, proposal: 5, round: 8, close: 8 }
const MOST_ROUNDS = 4

export const nexts = ['join at once', 'join later', 'abort'] as const
type Next = (typeof nexts)[number]

interface Case {
  readonly site: string
  readonly at: number
  readonly when: 'before' | 'after'
  /** The next step of the killed site's operator. */
  readonly next: Next
}

export type End = Awaited<Spawned['ended']>

/** How a case ended. */
export interface Played {
  readonly homes: RealHomes
  readonly relay: string
  /** The last end of each site. */
  readonly ends: ReadonlyMap<string, End>
  /** A site left, and nobody went on without it. */
  readonly left: boolean
}

/** A ceremony of one kind in which sites are killed. */
export interface KillRow {
  /** Its kind; the definition lies in a file of that name. */
  readonly kind: string
  readonly topic: 'keygen' | 'sign' | 'rotate' | 'recover'
  /** Sites that join. */
  readonly who: readonly string[]
  readonly nexts: readonly Next[]
  /** By day every so manieth barrier. */
  readonly step: number
  /** Homes that it begins with, in a new folder of this name, and the definition that they have approved for this relay. */
  plan(to: string, relay: string): Promise<{ readonly homes: RealHomes; readonly definition: Definition }>
  /** Checks the end, besides one valid bundle at all sites. */
  check(played: Played): Promise<void>
}

const codeIn = ({ document }: End): string | undefined => (document?.['error'] as { code?: string } | undefined)?.code
const openIn = ({ document }: End): number => (document?.['open'] as unknown[] | undefined)?.length ?? -1

export const joinAs = (
  at: RealHomes,
  { kind, topic }: Pick<KillRow, 'kind' | 'topic'>,
  name: string,
  env: Readonly<Record<string, string>> = {},
): Spawned =>
  spawnQuorate([topic, 'join', '--home', at.home(name), '--definition', join(at.folder, `${kind}.yaml`)], env)

/** Joins of these sites in which nothing happens. */
export const joinCalmly = async (
  at: RealHomes,
  row: Pick<KillRow, 'kind' | 'topic'>,
  who: readonly string[],
): Promise<readonly End[]> => {
  const ends = await Promise.all(who.map((name) => joinAs(at, row, name).ended))
  for (const one of ends) expect([one.text, one.code]).toEqual([one.text, 0])
  return ends
}

/** Epochs in a site's home: hash of the record where it is installed, and every file. */
export const epochsOf = async (at: RealHomes, name: string) => {
  const disk = await openRoot(at.home(name))
  try {
    const epochs = await shardStore(disk).list()
    return {
      installed: epochs.flatMap(({ state, record }) =>
        state === 'installed' && record !== undefined ? [hashOf(recordCodec.encode(record))] : [],
      ),
      files: (await readdir(at.home(name), { recursive: true })).filter((path) => /^keys\/[^/]+\/[^/]+\//.test(path)),
    }
  } finally {
    await disk.close()
  }
}

/**
 * By night: every barrier of every site, before and after it, with each next step. Else every second barrier once, or as
 * the row says: the barriers, the site, the moment and the next step take turns, and begin elsewhere at each run.
 */
const casesOf = ({ nexts, step, who }: KillRow, barriers: ReadonlyMap<string, number>): readonly Case[] => {
  const moments = (['before', 'after'] as const).flatMap((when) => nexts.map((next) => ({ when, next })))
  const most = Math.max(...barriers.values())
  const every = Array.from({ length: most }, (_, at) =>
    who.flatMap((site) => (at < (barriers.get(site) ?? 0) ? moments.map((moment) => ({ site, at, ...moment })) : [])),
  )
  // 7 is prime to the number of cases of a barrier, for one site up to four.
  return NIGHTLY
    ? every.flat()
    : every
        .map((cases, at) => cases[(7 * at + SEED) % cases.length] as Case)
        .filter((_, at) => at % step === SEED % step)
}

/** One valid bundle at all sites. */
const checkBundles = async (ends: ReadonlyMap<string, End>): Promise<void> => {
  const bundles = [...ends.values()].map(({ document }) => document?.['bundle'] as string)
  expect(
    new Set(await Promise.all(bundles.map(async (path) => hashOf(new Uint8Array(await readFile(path)))))).size,
  ).toBe(1)
  const verdict = await verifyFile({
    ...{ bundle: bundles[0] as string, trust: undefined, trustStated: true },
    ...{ at: undefined, require: [], message: undefined },
  })
  expect([verdict.verdict, verdict.failed, verdict.bundle.state]).toEqual(['valid', 0, 'made'])
}

/** A relay of its own, and the homes that approved a ceremony in its room, by kind. */
interface Lane {
  relay: Relay
  readonly ready: Map<string, ReturnType<KillRow['plan']>>
}

/** Ceremonies whose sites are killed at their barriers, several at a time. `root`: a folder for this alone. */
export const killing = async (root: string) => {
  /** A plan names its relay: the next one on its port is the same. */
  const relaySelf = relaySigner()
  const lanes: Lane[] = []
  for (let n = 0; n < LANES; n++) lanes.push({ relay: await relayOn({ signer: relaySelf }), ready: new Map() })
  let copies = 0

  const readyIn = (lane: Lane, row: KillRow): ReturnType<KillRow['plan']> => {
    const found = lane.ready.get(row.kind) ?? row.plan(`${row.kind}-${copies++}`, lane.relay.url)
    lane.ready.set(row.kind, found)
    return found
  }

  /** A calm run; how often each site synced a log. */
  const measure = async (row: KillRow, lane: Lane): Promise<ReadonlyMap<string, number>> => {
    const at = await (await readyIn(lane, row)).homes.copy(`calm-${copies++}`)
    const count = (name: string): string => join(root, `barriers-${row.kind}-${name}`)
    const all = row.who.map((name) => joinAs(at, row, name, { QUORATE_BARRIERS: count(name) }))
    for (const one of await Promise.all(all.map(({ ended }) => ended)))
      expect([one.text, one.code]).toEqual([one.text, 0])
    return new Map(
      await Promise.all(row.who.map(async (name) => [name, (await readFile(count(name))).length] as const)),
    )
  }

  /** `killed`: its site was, and had not ended before it came to that barrier. */
  const play = async (
    lane: Lane,
    row: KillRow,
    one: Case,
  ): Promise<{ readonly left: boolean; readonly killed: boolean }> => {
    const { homes, definition } = await readyIn(lane, row)
    const at = await homes.copy(`case-${copies++}`)
    // Notes of another case are of the same sites: each case has a relay that knows nothing.
    const port = Number(new URL(lane.relay.url).port)
    await lane.relay.close()
    lane.relay = await relayOn({ port, signer: relaySelf })
    const mine = new Set<Spawned>()
    const joinHere = (name: string, env: Readonly<Record<string, string>> = {}): Spawned => {
      const started = joinAs(at, row, name, env)
      mine.add(started)
      void started.ended.finally(() => mine.delete(started))
      return started
    }
    const story: string[] = []
    const fail = (what: string): never => {
      throw new Error(what)
    }
    const tell = (name: string, end: End): End => {
      story.push(`${name}: ${end.signal ?? `${end.code} ${codeIn(end) ?? ''} ${openIn(end)}`}`)
      return end
    }
    try {
      let left = false
      let killed = false
      const first = async (name: string): Promise<End> => {
        if (name !== one.site) return tell(name, await joinHere(name).ended)
        const end = tell(name, await joinHere(name, { KILL_AT: String(one.at), KILL_WHEN: one.when }).ended)
        killed = end.signal === 'SIGKILL'
        if (!killed || one.next === 'join later') return end
        if (one.next === 'join at once') return tell(name, await joinHere(name).ended)
        const confirm = ['--definition', join(at.folder, `${row.kind}.yaml`), '--confirm', ceremonyId(definition)]
        const abort = spawnQuorate([row.topic, 'abort', '--home', at.home(name), ...confirm])
        const said = tell(`${name} abort`, await abort.ended)
        left = said.code === 0
        if (!left && codeIn(said) !== 'E_NOT_ALLOWED') fail('an abort that is neither done nor refused')
        return end
      }
      let ends = new Map<string, End>()
      for (let round = 1; round <= MOST_ROUNDS; round++) {
        const joined = await Promise.all(
          row.who.map(
            async (name) =>
              [name, await (round === 1 ? first(name) : joinHere(name).ended.then((end) => tell(name, end)))] as const,
          ),
        )
        ends = new Map(joined)
        story.push(`round ${round} over`)
        const codes = [...ends.values()].map((end) => (end.code === 0 ? 0 : codeIn(end)))
        // Where a third site may still approve, one that leaves does not end it for the others.
        if (
          left &&
          round > 1 &&
          codes.every((code) => code === 'E_ABORTED' || (row.kind === 'sign' && code === 'E_APPROVALS_MISSING'))
        )
          break
        if (!left && [...ends.values()].every((end) => end.code === 0 && openIn(end) === 0)) break
        if (round === MOST_ROUNDS) fail('no clean end')
        for (const end of ends.values())
          if (end.signal === null && ![0, 3, 5].includes(end.code ?? 70) && codeIn(end) !== 'E_ABORTED') fail(end.text)
      }
      if (!left) await checkBundles(ends)
      await row.check({ homes: at, relay: lane.relay.url, ends, left })
      return { left, killed }
    } catch (error) {
      throw new Error(`${JSON.stringify(one)}: ${(error as Error).message}\n${story.join('\n')}`)
    } finally {
      for (const { process } of mine) process.kill('SIGKILL')
      await Promise.all([...mine].map(({ ended }) => ended))
      await at.remove()
    }
  }

  /** Kills of one row, and how they went. */
  const ofRow = async (row: KillRow, lane: Lane) => {
    const barriers = await measure(row, lane)
    const cases = casesOf(row, barriers)
    expect(row.step * cases.length).toBeGreaterThanOrEqual(Math.max(...barriers.values()) - row.step)
    return { row, barriers, cases, ended: [] as Awaited<ReturnType<typeof play>>[], wrong: [] as string[] }
  }

  /** All cases of these rows, side by side. */
  const playAll = async (...rows: readonly KillRow[]): Promise<void> => {
    const all = await Promise.all(rows.map((row, n) => ofRow(row, lanes[n % lanes.length] as Lane)))
    const left = all.flatMap((kills) => kills.cases.map((one) => ({ kills, one })))
    const work = async (lane: Lane): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const { kills, one } = next
        try {
          kills.ended.push(await play(lane, kills.row, one))
        } catch (error) {
          kills.wrong.push((error as Error).message)
        }
      }
    }
    await Promise.all(lanes.map(work))
    for (const { row, barriers, cases, ended, wrong } of all) {
      const counted = [...barriers].map(([name, count]) => `${count} of ${name}`).join(', ')
      const killed = ended.filter((one) => one.killed).length
      const left = ended.filter((one) => one.left).length
      report(
        `${row.kind}: ${killed} kills in ${cases.length} cases at barriers (${counted}), ${ended.length - left} made in the end, ${left} left; ${wrong.length} wrong`,
      )
      if (wrong.length === 0) expect(2 * killed).toBeGreaterThanOrEqual(cases.length)
    }
    expect(all.flatMap(({ row, wrong }) => wrong.map((text) => `${row.kind}: ${text}`)).join('\n\n')).toBe('')
  }

  const close = async (): Promise<void> => {
    for (const { relay } of lanes) await relay.close()
  }
  return { relay: (): string => (lanes[0] as Lane).relay.url, playAll, close }
}
