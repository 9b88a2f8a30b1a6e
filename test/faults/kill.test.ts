import { readdir, readFile } from 'node:fs/promises'
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
import { seeded } from '../support/sim-disk.ts'
import { relayOn } from '../transport/relay-support.ts'
import { makeHomes, planKeygenIn, planSignIn, type RealHomes } from './homes.ts'
import { report } from './report.ts'
import { type Spawned, spawnQuorate } from './spawned.ts'

const NIGHTLY = process.env['QUORATE_NIGHTLY'] === '1'
const KEYGEN_CASES = NIGHTLY ? Number.POSITIVE_INFINITY : 14
const SIGN_CASES = NIGHTLY ? Number.POSITIVE_INFINITY : 8
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

const casesOf = (sites: readonly string[], barriers: number, most: number, seed: number): Case[] => {
  const random = seeded(seed)
  const all = sites.flatMap((site) =>
    Array.from({ length: barriers }, (_, at) =>
      (['before', 'after'] as const).flatMap((when) => nexts.map((next) => ({ site, at, when, next }))),
    ).flat(),
  )
  if (all.length <= most) return all
  return Array.from({ length: most }, (_, k) => ({
    site: sites[k % sites.length] as string,
    at: Math.floor(((k + random()) / most) * barriers),
    when: random() < 0.5 ? 'before' : 'after',
    next: nexts[Math.floor(random() * nexts.length)] as Case['next'],
  }))
}

type End = Awaited<Spawned['ended']>

const codeIn = ({ document }: End): string | undefined => (document?.['error'] as { code?: string } | undefined)?.code
const openIn = ({ document }: End): number => (document?.['open'] as unknown[] | undefined)?.length ?? -1

describe('kill -9 of a site at a barrier', () => {
  let relay: Relay
  let homes: RealHomes & { readonly root: string }
  let signing: RealHomes
  let keygen: Definition
  let sign: Definition
  let copies = 0
  const barriers = { keygen: 0, sign: 0 }

  const running = new Set<Spawned>()
  const joinAs = (at: RealHomes, kind: string, name: string, env: Readonly<Record<string, string>> = {}): Spawned => {
    const file = join(at.folder, `${kind}.yaml`)
    const one = spawnQuorate([kind, 'join', '--home', at.home(name), '--definition', file], env)
    running.add(one)
    void one.ended.finally(() => running.delete(one))
    return one
  }

  /** A calm run; how often one site synced a log. */
  const measure = async (at: RealHomes, kind: string, who: readonly string[]): Promise<number> => {
    const count = join(homes.root, `barriers-${kind}`)
    const all = who.map((name, n) => joinAs(at, kind, name, n === 0 ? { QUORATE_BARRIERS: count } : {}))
    for (const one of await Promise.all(all.map(({ ended }) => ended)))
      expect([one.text, one.code]).toEqual([one.text, 0])
    return (await readFile(count)).length
  }

  beforeAll(async () => {
    await built()
    relay = await relayOn()
    homes = await makeHomes(names)
    keygen = await planKeygenIn(homes, names, [relay.url], deadlines)
    signing = await homes.copy('made')
    barriers.keygen = await measure(signing, 'keygen', names)
    const disk = await openRoot(signing.home('eu'))
    const [epoch] = await shardStore(disk).list()
    await disk.close()
    sign = await planSignIn(signing, signers, epoch?.key ?? '', deadlines)
    const signed = await signing.copy('signed')
    barriers.sign = await measure(signed, 'sign', signers)
    await signed.remove()
    report(`barriers of a join: keygen ${barriers.keygen}, sign ${barriers.sign}`)
  }, 120_000)
  afterAll(async () => {
    await relay?.close()
    await homes?.remove()
    await signing?.remove()
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

  const play = async (
    from: RealHomes,
    definition: Definition,
    who: readonly string[],
    one: Case,
  ): Promise<'made' | 'left'> => {
    const at = await from.copy(`case-${copies++}`)
    const { kind } = definition
    const port = Number(new URL(relay.url).port)
    // Notes of another case are of the same sites: each case has a relay that knows nothing.
    await relay.close()
    relay = await relayOn({ port })
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
        if (name !== one.site) return tell(name, await joinAs(at, kind, name).ended)
        const end = tell(name, await joinAs(at, kind, name, { KILL_AT: String(one.at), KILL_WHEN: one.when }).ended)
        if (end.signal !== 'SIGKILL' || one.next === 'join later') return end
        if (one.next === 'join at once') return tell(name, await joinAs(at, kind, name).ended)
        const file = join(at.folder, `${kind}.yaml`)
        const abort = spawnQuorate([
          kind,
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
              [
                name,
                await (round === 1 ? first(name) : joinAs(at, kind, name).ended.then((end) => tell(name, end))),
              ] as const,
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
        return 'left'
      }
      expect(new Set(epochs.flatMap(({ installed }) => installed)).size).toBe(1)
      for (const { files } of epochs) expect(files).toHaveLength(5)
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
      for (const { process } of running) process.kill('SIGKILL')
      await Promise.all([...running].map(({ ended }) => ended))
      await at.remove()
    }
  }

  const playAll = async (cases: readonly Case[], from: RealHomes, definition: Definition, who: readonly string[]) => {
    const wrong: string[] = []
    const ended = { made: 0, left: 0 }
    for (const one of cases)
      try {
        ended[await play(from, definition, who, one)] += 1
      } catch (error) {
        wrong.push((error as Error).message)
      }
    report(
      `${definition.kind}: ${cases.length} kills, ${ended.made} made in the end, ${ended.left} left; ${wrong.length} wrong`,
    )
    expect(wrong.join('\n\n')).toBe('')
  }

  it('of a keygen: join or abort leads to a clean end', { timeout: NIGHTLY ? 36_000_000 : 600_000 }, async () => {
    await playAll(casesOf(names, barriers.keygen, KEYGEN_CASES, 21), homes, keygen, names)
  })

  it('of a sign: join or abort leads to a clean end', { timeout: NIGHTLY ? 36_000_000 : 600_000 }, async () => {
    await playAll(casesOf(signers, barriers.sign, SIGN_CASES, 22), signing, sign, signers)
  })
})
