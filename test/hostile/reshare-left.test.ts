import { beforeAll, describe, expect, it } from 'vitest'
import type { LogView } from '../../src/audit/disk-log.ts'
import { hasDealtAway } from '../../src/ceremony/epoch/dealt.ts'
import type { JoinControl } from '../../src/ceremony/store/ceremony.ts'
import { openHome } from '../../src/identity/home.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import type { QuorateError } from '../../src/lib/errors.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { shardStore } from '../../src/shards/store.ts'
import type { MemoryWorld } from '../support/memory-site.ts'
import { copyDisk, copyWorld } from '../support/memory-site.ts'
import { inTurn } from '../support/report.ts'
import { approveAll, type JoinChanges, joinAs } from './ceremonies.ts'
import { heldAt, joinTogether, said, stoppedAt } from './refreshes.ts'
import { keyOwners, type Owners } from './reshares.ts'

/** Sites that deal their share and receive none: once others may finish without them, they neither leave nor say that nothing was made. */

const old = ['eu', 'us', 'ap'] as SiteId[]
const next = ['sa', 'af', 'me'] as SiteId[]
const all = [...old, ...next]
const [, us, ap] = old as [SiteId, SiteId, SiteId]
let owners: Owners
let one: Definition
beforeAll(async () => {
  owners = await keyOwners(old, next)
  one = await owners.reshare({ sites: next })
})

const begun = async (seed: string, definition = one): Promise<MemoryWorld> => {
  const world = await copyWorld(owners.world, seed)
  await approveAll(world, all, definition)
  return world
}

/** Asks to leave at a moment of the join; `heard` is how that ended. */
const leavesAt = (step: string, got: number, heard: string[]): JoinChanges => {
  let control: JoinControl | undefined
  return {
    control: (given) => {
      control = given
    },
    progress: (event) => {
      const at = event.phase === 'step' ? event.step : event.phase === 'round' ? event.round : undefined
      if (at !== step || !('got' in event) || event.got < got || control === undefined) return
      const asked = control
      control = undefined
      void asked.abort('changed my mind').then(
        () => heard.push('left'),
        (error: QuorateError) => heard.push(error.code),
      )
    },
  }
}

const hintOf = (error: unknown): string => (error as QuorateError | undefined)?.hint ?? ''

describe('a dealer that receives no share', () => {
  it.each(inTurn(['staged', 'proven', 'ready', 'installed', 'retired'], 2))('cannot leave at %s', async (step) => {
    const world = await begun(`leaves ${step}`)
    const heard: string[] = []
    const ends = await Promise.all(
      all.map((name) => joinAs(world, name, one, null, undefined, name === us ? leavesAt(step, 0, heard) : {})),
    )
    expect(heard).toEqual(['E_NOT_ALLOWED'])
    expect(ends.map(said)).toEqual(all.map(() => 'closed'))
    for (const name of old) expect(await heldAt(world, name)).toEqual(['1 retired'])
  })

  it('cannot leave after a stop, whatever it sees at its next join', async () => {
    const world = await begun('stopped')
    await Promise.all(
      all.map((name) => joinAs(world, name, one, null, undefined, name === us ? stoppedAt('proven', next.length) : {})),
    )
    expect(await heldAt(world, us)).toEqual(['1 installed'])
    const heard: string[] = []
    const control = (given: JoinControl): void => {
      void given.abort('changed my mind').catch((error: QuorateError) => heard.push(error.code))
    }
    await joinAs(world, us, one, null, undefined, { control })
    expect(heard).toEqual(['E_NOT_ALLOWED'])
    const ends = await joinTogether(world, [us, ...next], one)
    expect(ends.map(said)).toEqual([us, ...next].map(() => 'closed'))
    expect(await heldAt(world, us)).toEqual(['1 retired'])
  })

  it('finishes at its next join what another one’s end was missing from', async () => {
    const world = await begun('incomplete')
    const me = 'me' as SiteId
    const ends = await Promise.all(
      all.map((name) => joinAs(world, name, one, null, undefined, name === me ? stoppedAt('retired', 1) : {})),
    )
    expect(ends.find(({ site }) => site === us)?.result?.open).not.toEqual([])
    expect(said((await joinTogether(world, [us], one))[0] ?? expect.fail())).toBe('closed')
    const again = await joinTogether(world, all, one)
    expect(again.map(said)).toEqual(all.map(() => 'closed'))
    for (const { result } of again) expect(result?.open).toEqual([])
    const other = await owners.reshare({ sites: next, nonce: '33'.repeat(16) })
    await approveAll(world, [us], other)
    const [late] = await joinTogether(world, [us], other)
    expect(hintOf(late?.error)).toContain('go on without this one')
  })

  it('leaves before it dealt, also after an attempt that failed before that', async () => {
    const world = await begun('before')
    const heard: string[] = []
    const failed = await Promise.all(
      all.map((name) =>
        name === 'me'
          ? joinAs(world, name, one, null, {
              site: name as SiteId,
              ceremony: undefined,
              talk: (_to, talk) => [talk],
              post: () => [],
            })
          : joinAs(world, name, one, null),
      ),
    )
    expect(failed.map(said).filter((end) => end === 'E_PEER_SILENT').length).toBeGreaterThan(0)
    await joinAs(world, us, one, null, undefined, {
      control: (given) => void given.abort('another one').then(() => heard.push('left')),
    })
    expect(heard).toEqual(['left'])
  })
})

describe('a reshare that cannot be finished after the old ones dealt', () => {
  const [sa, af, me] = next as [SiteId, SiteId, SiteId]
  /** What the operator of a site does that is to leave. */
  const leaves = (heard: string[]): JoinChanges => ({
    control: (given) =>
      void given.abort('it cannot be finished').then(
        () => heard.push('left'),
        (error: QuorateError) => heard.push(error.code),
      ),
  })
  /** The old sites hear what there is to hear, while these new ones leave. */
  const hear = (world: MemoryWorld, who: readonly SiteId[], heard: string[] = []) =>
    Promise.all(
      [...old, ...who].map((name) =>
        joinAs(world, name, one, null, undefined, who.includes(name) ? leaves(heard) : {}),
      ),
    )
  const others = [...old, sa, af]
  const another = async (world: MemoryWorld): Promise<Definition> => {
    const other = await owners.reshare({ sites: [sa, af], nonce: '22'.repeat(16) })
    await approveAll(world, others, other)
    return other
  }

  it('gives way to another one, where a new site left: those that hear it leave, too', async () => {
    const world = await begun('new site left')
    await Promise.all(
      all.map((name) =>
        joinAs(world, name, one, null, undefined, name === me ? leavesAt('staged', next.length, []) : {}),
      ),
    )
    for (const name of old) expect(await heldAt(world, name)).toEqual(['1 installed'])
    expect((await hear(world, [])).map(said)).toEqual(old.map(() => 'E_ABORTED'))
    expect((await joinTogether(world, others, await another(world))).map(said)).toEqual(others.map(() => 'closed'))
    for (const name of old) expect(await heldAt(world, name)).toEqual(['1 retired'])
  })

  it('gives way where a new site is gone for good, once as many of the others left as sign together', async () => {
    const world = await begun('new site gone')
    await Promise.all(
      all.map((name) => joinAs(world, name, one, null, undefined, name === me ? stoppedAt('staged', next.length) : {})),
    )
    for (const name of old) expect(await heldAt(world, name)).toEqual(['1 installed'])
    const other = await another(world)
    const early = await joinTogether(world, others, other)
    expect(early.map(said)).not.toContain('closed')
    for (const { site, error } of early.filter(({ site }) => old.includes(site)))
      expect([site, hintOf(error)]).toEqual([site, expect.stringContaining('once 2 of its new sites left')])
    const heard: string[] = []
    await hear(world, [sa, af], heard)
    expect(heard).toEqual(['left', 'left'])
    await hear(world, [])
    expect((await joinTogether(world, others, other)).map(said)).toEqual(others.map(() => 'closed'))
    // The site that was gone comes back: nothing is left for it.
    expect((await joinTogether(world, [me, sa], one)).map(said)).toEqual(['E_ABORTED', 'E_ABORTED'])
    expect(await heldAt(world, me)).toEqual([])
  })
})

describe('a dealer', () => {
  const log = (...events: readonly (readonly [what: string, site: SiteId | null])[]): LogView =>
    ({
      replay: () => events.map(([what, site], seq) => ({ what, site, object: 'x', seq })),
      body: () => undefined,
    }) as never
  const [sa, af, me] = next as [SiteId, SiteId, SiteId]
  const dealt: readonly [string, null] = ['started', null]

  it.each<[string, boolean, readonly (readonly [string, SiteId])[]]>([
    ['nobody left', true, []],
    ['one new site left', true, [['abort', sa]]],
    [
      'one left twice',
      true,
      [
        ['abort', sa],
        ['abort', sa],
      ],
    ],
    [
      'two left',
      false,
      [
        ['abort', sa],
        ['abort', me],
      ],
    ],
    [
      'of two that left one had voted',
      true,
      [
        ['abort', sa],
        ['ready', me],
        ['abort', me],
      ],
    ],
    [
      'of two that left one voted afterwards',
      true,
      [
        ['abort', sa],
        ['abort', me],
        ['ready', me],
      ],
    ],
    [
      'of three that left one had voted',
      false,
      [
        ['abort', sa],
        ['abort', me],
        ['ready', me],
        ['abort', af],
      ],
    ],
    [
      'another old site left',
      true,
      [
        ['abort', sa],
        ['abort', ap],
      ],
    ],
  ])('is bound by what it dealt or not: %s', (_, bound, events) => {
    expect(hasDealtAway(log(dealt, ...events), us, one)).toBe(bound)
  })
})

describe('an old site that loses power when its share is gone and it has not said so', () => {
  it.each([us, ap])('says so at its next join: %s', async (name) => {
    const definition = name === ap ? await owners.reshare({ sites: next, without: [ap] }) : one
    const world = await begun(`power ${name}`, definition)
    const { disk } = world.homes.get(name) ?? expect.fail()
    const shards = shardStore(disk)
    let lost: MemoryDisk | undefined
    const retire: typeof shards.retire = async (...given) => {
      await shards.retire(...given)
      lost ??= await copyDisk(disk as MemoryDisk)
    }
    await Promise.all(
      all.map((site) =>
        joinAs(
          world,
          site,
          definition,
          null,
          undefined,
          site === name ? { site: { shards: { ...shards, retire } } } : {},
        ),
      ),
    )
    const rest = lost ?? expect.fail('no share was destroyed')
    const homes = new Map([...world.homes, [name, { home: await openHome(rest), disk: rest }] as const])
    const [end] = await joinTogether({ ...world, homes }, [name, ...next], definition)
    expect(end === undefined ? undefined : said(end)).toBe('closed')
    expect(await heldAt({ ...world, homes }, name)).toEqual(['1 retired'])
  })
})

describe('an old site that neither deals nor receives', () => {
  let away: Definition
  beforeAll(async () => {
    away = await owners.reshare({ sites: next, without: [ap] })
  })

  it('is not told that nothing was made by the abort of a dealer, and finishes with those who did', async () => {
    const before = await begun('onlooker', away)
    const seated = all.filter((name) => name !== ap)
    expect((await joinTogether(before, seated, away)).map(said)).toEqual(seated.map(() => 'closed'))
    // Of those who finished nobody is here and no note is left; the dealer runs a copy of its home from before.
    const world = await begun('onlooker', away)
    const [end = expect.fail()] = await Promise.all([
      joinAs(world, ap, away, null),
      joinAs(world, us, away, null, undefined, { control: (given) => void given.abort('changed my mind') }),
    ])
    expect(said(end)).toBe('E_ABORTED')
    expect(hintOf(end.error)).toContain('may have finished')
    const joined = { ...before, homes: new Map([...before.homes, [ap, world.homes.get(ap) ?? expect.fail()] as const]) }
    const [late] = await joinTogether(joined, [ap, 'sa' as SiteId], away)
    expect(late === undefined ? undefined : said(late)).toBe('closed')
    expect(await heldAt(joined, ap)).toEqual(['1 retired'])
  })

  it('has nothing to leave', async () => {
    const world = await begun('nothing to leave', away)
    const heard: string[] = []
    await joinAs(world, ap, away, null, undefined, {
      control: (given) => void given.abort('no').catch((error: QuorateError) => heard.push(error.code)),
    })
    expect(heard).toEqual(['E_NOT_ALLOWED'])
  })
})
