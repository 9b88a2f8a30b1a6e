import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRoot } from '../../src/host/disk.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { verifyFile } from '../../src/site/verify.ts'
import type { Relay } from '../../src/transport/relay/server.ts'
import { built } from '../support/cli.ts'
import { NIGHTLY, report, SEED } from '../support/report.ts'
import { relayOn, relaySigner } from '../transport/relay-support.ts'
import { makeHomes, planKeygenIn, planRefreshIn, planSignIn, type RealHomes } from './homes.ts'
import { type Spawned, spawnQuorate } from './spawned.ts'

/** Cases mostly wait for deadlines: this many at a time. */
const LANES = 6
const deadlines = { gather: 30, proposal: 5, round: 8, close: 8 }
const names = ['eu', 'us', 'ap']
const signers = ['eu', 'us']
const MOST_ROUNDS = 4

interface Case {
  readonly site: string
  readonly at: number
  readonly when: 'before' | 'after'
  /** What the killed site's operator does. */
  readonly next: 'join at once' | 'join later' | 'abort'
}

const nexts = ['join at once', 'join later', 'abort'] as const

/**
 * By night: every barrier at every site, before and after it, with each next step. Else every second barrier once: the
 * barriers, the site, the moment and the next step take turns, and begin elsewhere at each run.
 */
const casesOf = (sites: readonly string[], barriers: number): Case[] => {
  const moments = (['before', 'after'] as const).flatMap((when) => nexts.map((next) => ({ when, next })))
  const every = Array.from({ length: barriers }, (_, at) =>
    sites.flatMap((site) => moments.map((moment) => ({ site, at, ...moment }))),
  )
  // 7 is prime to the number of cases of a barrier, for two sites and for three.
  return NIGHTLY
    ? every.flat()
    : every.map((cases, at) => cases[(7 * at + SEED) % cases.length] as Case).filter((_, at) => at % 2 === SEED % 2)
}

type End = Awaited<Spawned['ended']>

const codeIn = ({ document }: End): string | undefined => (document?.['error'] as { code?: string } | undefined)?.code
const openIn = ({ document }: End): number => (document?.['open'] as unknown[] | undefined)?.length ?? -1

/** A relay of its own, and homes that approved a ceremony in its room. */
interface Lane {
  relay: Relay
  readonly keygen: RealHomes
  readonly sign: RealHomes
  readonly refresh: RealHomes
}

type Kind = 'keygen' | 'sign' | 'refresh'
const TOPICS: Readonly<Record<Kind, string>> = { keygen: 'keygen', sign: 'sign', refresh: 'rotate' }

describe('kill -9 of a site at a barrier', () => {
  /** A plan names its relay: the next one on its port is the same. */
  const relaySelf = relaySigner()
  const lanes: Lane[] = []
  const definitions = new Map<RealHomes, Definition>()
  let homes: RealHomes & { readonly root: string }
  let copies = 0
  const barriers = { keygen: 0, sign: 0, refresh: 0 }

  const joinAs = (at: RealHomes, kind: Kind, name: string, env: Readonly<Record<string, string>> = {}): Spawned => {
    const file = join(at.folder, `${kind}.yaml`)
    return spawnQuorate([TOPICS[kind], 'join', '--home', at.home(name), '--definition', file], env)
  }

  /** A calm run; how often one site synced a log. */
  const measure = async (at: RealHomes, kind: Kind, who: readonly string[]): Promise<number> => {
    const count = join(homes.root, `barriers-${kind}`)
    const all = who.map((name, n) => joinAs(at, kind, name, n === 0 ? { QUORATE_BARRIERS: count } : {}))
    for (const one of await Promise.all(all.map(({ ended }) => ended)))
      expect([one.text, one.code]).toEqual([one.text, 0])
    return (await readFile(count)).length
  }

  const openLane = async (key?: { readonly id: string; readonly homes: RealHomes }): Promise<Lane> => {
    const relay = await relayOn({ signer: relaySelf })
    const keygen = await homes.copy(`keygen-${copies}`)
    definitions.set(keygen, await planKeygenIn(keygen, names, [relay.url], deadlines))
    const sign = await (key?.homes ?? keygen).copy(`sign-${copies++}`)
    const refresh = await (key?.homes ?? keygen).copy(`refresh-${copies++}`)
    if (key !== undefined) {
      definitions.set(sign, await planSignIn(sign, signers, key.id, [relay.url], deadlines))
      definitions.set(refresh, await planRefreshIn(refresh, names, key.id, [relay.url], deadlines))
    }
    lanes.push({ relay, keygen, sign, refresh })
    return { relay, keygen, sign, refresh }
  }

  beforeAll(async () => {
    await built()
    homes = await makeHomes(names)
    const first = await openLane()
    barriers.keygen = await measure(first.sign, 'keygen', names)
    const disk = await openRoot(first.sign.home('eu'))
    const [epoch] = await shardStore(disk).list()
    await disk.close()
    const key = { id: epoch?.key ?? '', homes: first.sign }
    await lanes.pop()?.relay.close()
    for (let n = 0; n < LANES; n++) await openLane(key)
    const signed = await (lanes[0] as Lane).sign.copy('signed')
    barriers.sign = await measure(signed, 'sign', signers)
    const refreshed = await (lanes[0] as Lane).refresh.copy('refreshed')
    barriers.refresh = await measure(refreshed, 'refresh', names)
    report(`barriers of a join: keygen ${barriers.keygen}, sign ${barriers.sign}, refresh ${barriers.refresh}`)
  })
  afterAll(async () => {
    for (const { relay } of lanes) await relay.close()
    await rm(homes.root, { recursive: true, force: true })
  })

  /** What a site's home holds of epochs: hash of the record where it is installed, and every file. */
  const epochsOf = async (at: RealHomes, name: string) => {
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

  const play = async (lane: Lane, kind: Kind, who: readonly string[], one: Case): Promise<'made' | 'left'> => {
    const at = await lane[kind].copy(`case-${copies++}`)
    const definition = definitions.get(lane[kind]) as Definition
    // Notes of another case are of the same sites: each case has a relay that knows nothing.
    const port = Number(new URL(lane.relay.url).port)
    await lane.relay.close()
    lane.relay = await relayOn({ port, signer: relaySelf })
    const mine = new Set<Spawned>()
    const joinHere = (name: string, env: Readonly<Record<string, string>> = {}): Spawned => {
      const started = joinAs(at, kind, name, env)
      mine.add(started)
      void started.ended.finally(() => mine.delete(started))
      return started
    }
    const story: string[] = []
    const fail = (what: string): never => {
      throw new Error(`${what}: ${JSON.stringify(one)}\n${story.join('\n')}`)
    }
    const tell = (name: string, end: End): End => {
      story.push(`${name}: ${end.signal ?? `${end.code} ${codeIn(end) ?? ''} ${openIn(end)}`}`)
      return end
    }
    try {
      let left = false
      const first = async (name: string): Promise<End> => {
        if (name !== one.site) return tell(name, await joinHere(name).ended)
        const end = tell(name, await joinHere(name, { KILL_AT: String(one.at), KILL_WHEN: one.when }).ended)
        if (end.signal !== 'SIGKILL' || one.next === 'join later') return end
        if (one.next === 'join at once') return tell(name, await joinHere(name).ended)
        const file = join(at.folder, `${kind}.yaml`)
        const abort = spawnQuorate([
          TOPICS[kind],
          'abort',
          '--home',
          at.home(name),
          '--definition',
          file,
          '--confirm',
          ceremonyId(definition),
        ])
        const said = tell(`${name} abort`, await abort.ended)
        left = said.code === 0
        if (!left && codeIn(said) !== 'E_NOT_ALLOWED') fail('an abort that is neither done nor refused')
        return end
      }
      let ends = new Map<string, End>()
      for (let round = 1; round <= MOST_ROUNDS; round++) {
        const joined = await Promise.all(
          who.map(
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
          codes.every((code) => code === 'E_ABORTED' || (kind === 'sign' && code === 'E_APPROVALS_MISSING'))
        )
          break
        if (!left && [...ends.values()].every((end) => end.code === 0 && openIn(end) === 0)) break
        if (round === MOST_ROUNDS) fail('no clean end')
        for (const end of ends.values())
          if (end.signal === null && ![0, 3, 5].includes(end.code ?? 70) && codeIn(end) !== 'E_ABORTED') fail(end.text)
      }
      const epochs = await Promise.all(who.map((name) => epochsOf(at, name)))
      if (left) {
        if (kind === 'keygen') {
          expect(epochs.map(({ installed }) => installed)).toEqual(who.map(() => []))
          expect(epochs.map(({ files }) => files)).toEqual(who.map(() => []))
        }
        // The old shares are as they were, and nothing of new ones is left.
        if (kind === 'refresh') {
          expect(new Set(epochs.flatMap(({ installed }) => installed)).size).toBe(1)
          expect(epochs.map(({ installed, files }) => [installed.length, files.length])).toEqual(who.map(() => [1, 5]))
        }
        return 'left'
      }
      expect(new Set(epochs.flatMap(({ installed }) => installed)).size).toBe(1)
      // Of a share that was replaced: its outcome, record and votes, and what replaced it; of the new one also what it names.
      for (const { files, installed } of epochs)
        expect([installed.length, files.length]).toEqual([1, kind === 'refresh' ? 10 : 5])
      const bundles = [...ends.values()].map(({ document }) => document?.['bundle'] as string)
      expect(
        new Set(await Promise.all(bundles.map(async (path) => hashOf(new Uint8Array(await readFile(path)))))).size,
      ).toBe(1)
      const verdict = await verifyFile({
        bundle: bundles[0] as string,
        trust: undefined,
        trustStated: true,
        at: undefined,
        require: [],
        message: undefined,
      })
      expect([verdict.verdict, verdict.failed, verdict.bundle.state]).toEqual(['valid', 0, 'made'])
      return 'made'
    } catch (error) {
      throw new Error(`${JSON.stringify(one)}: ${(error as Error).message}\n${story.join('\n')}`)
    } finally {
      for (const { process } of mine) process.kill('SIGKILL')
      await Promise.all([...mine].map(({ ended }) => ended))
      await at.remove()
    }
  }

  const playAll = async (kind: Kind, who: readonly string[]): Promise<void> => {
    const cases = casesOf(who, barriers[kind])
    expect(2 * cases.length).toBeGreaterThanOrEqual(barriers[kind] - 1)
    const wrong: string[] = []
    const ended = { made: 0, left: 0 }
    const left = [...cases]
    const work = async (lane: Lane): Promise<void> => {
      for (let one = left.shift(); one !== undefined; one = left.shift())
        try {
          ended[await play(lane, kind, who, one)] += 1
        } catch (error) {
          wrong.push((error as Error).message)
        }
    }
    await Promise.all(lanes.map(work))
    report(
      `${kind}: ${cases.length} kills at ${barriers[kind]} barriers of ${who.length} sites, ${ended.made} made in the end, ${ended.left} left; ${wrong.length} wrong`,
    )
    expect(wrong.join('\n\n')).toBe('')
  }

  it('of a keygen: join or abort leads to a clean end', () => playAll('keygen', names))

  it('of a sign: join or abort leads to a clean end', () => playAll('sign', signers))

  it('of a refresh: join or abort leads to a clean end, and every site holds one share', () =>
    playAll('refresh', names))
})
