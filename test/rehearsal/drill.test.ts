import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { openHome } from '../../src/identity/home.ts'
import type { IdentityKey } from '../../src/identity/identity-key.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { definitionYaml } from '../../src/records/definition-yaml.ts'
import { type DrillReport, drillCodec } from '../../src/records/drill.ts'
import { type Drill, drill } from '../../src/rehearsal/drill.ts'
import { listDrills, runDrill } from '../../src/site/drill.ts'
import { writeHome } from '../hostile/ceremonies.ts'
import { keygenDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { filesUnder, NOW } from './support.ts'

const drilled = async (wanted: Partial<Parameters<typeof drill>[0]>): Promise<Drill> =>
  drill({
    definition: await keygenDefinition(),
    incident: 'site-lost',
    site: undefined,
    seed: 'seed',
    build: 'b1'.repeat(32) as Hash,
    runtime: 'node 20.20.2',
    clock: { ...systemClock, now: () => NOW },
    stopwatch: () => 0,
    ...wanted,
  })

describe('a drill', () => {
  it('of a compromised shard makes new shares within a day, and signs by them', async () => {
    const played = await drilled({ incident: 'shard-compromised', site: 'us' })
    expect(played).toMatchObject({ site: 'us', met: true })
    expect(played.steps.map(({ state, limit, met }) => [state, limit, met])).toEqual([
      ['made', 86_400_000, true],
      ['made', null, true],
    ])
  })

  it('of a lost site signs without it within a minute, and replaces it', async () => {
    const played = await drilled({})
    expect(played).toMatchObject({ site: 'ap', met: true })
    expect(played.steps.map(({ what, limit, met }) => [what, limit, met])).toEqual([
      ['a signature without ap', 60_000, true],
      ['ap replaced by ap-new', null, true],
      ['a signature with ap-new', null, true],
    ])
  })

  it('of an attack suspends the key within a minute, and signs with a fresh one within four hours', async () => {
    const played = await drilled({ incident: 'attack', site: 'us' })
    expect(played).toMatchObject({ site: 'us', met: true })
    expect(played.steps.map(({ what, limit, met }) => [what, limit, met])).toEqual([
      ['us suspends the key, and opens its share no more', 60_000, true],
      ['a fresh key, and the old one suspended at every site', 14_400_000, true],
      ['a signature with the fresh key', expect.any(Number), true],
    ])
    const { waited, measured } = played.steps[1] ?? expect.fail()
    expect(played.steps[2]?.limit).toBe(14_400_000 - waited - measured)
  })

  it('of an attack is not met where the fresh key comes too late', async () => {
    let at = 0
    const stopwatch = (): number => {
      at += 8_000_000
      return at
    }
    const { steps } = await drilled({ incident: 'attack', stopwatch })
    expect(steps.map(({ met }) => met)).toEqual([false])
  })

  it('is not met where nobody can be lost, and stops there', async () => {
    const played = await drilled({ definition: await keygenDefinition({ threshold: 3 }) })
    expect(played.met).toBe(false)
    expect(played.steps.map(({ state, met }) => [state, met])).toEqual([['nothing', false]])
  })

  it('is not met beyond its limit, be it waiting or computing', async () => {
    let at = 0
    const stopwatch = (): number => {
      at += 61_000
      return at
    }
    expect((await drilled({ stopwatch })).steps.map(({ state, met }) => [state, met])).toEqual([['made', false]])
  })

  it('is of a site that holds a share', async () => {
    await expect(drilled({ site: 'uk' })).rejects.toMatchObject({ code: 'E_USAGE' })
  })

  it('leaves every byte of the home that signs its report as it was', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'quorate drill '))
    try {
      const { disk } = await memoryHome('eu')
      const home = join(folder, 'eu')
      await writeHome(home, disk.files)
      const before = await filesUnder(home)
      const { report, shown } = await runDrill({
        definition: definitionYaml(await keygenDefinition()),
        ...{ incident: 'site-lost', site: undefined, seed: undefined, home },
        passphrase: async () => {
          throw new Error('nobody is asked')
        },
      })
      expect(shown.met).toBe(true)
      await writeFile(join(folder, 'one.dsse'), report?.bytes ?? '')
      const list = await listDrills({
        calendar: utf8('type: drills/v1\ndrills:\n  - incident: site-lost\n    every: month\n'),
        reports: folder,
        trust: shown.signer ?? '',
        now: Date.now(),
      })
      expect(list).toMatchObject({ drills: [{ incident: 'site-lost', last: report?.at, overdue: false }], refused: [] })
      expect(await filesUnder(home)).toEqual(before)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

type Signed = readonly [IdentityKey, Partial<DrillReport> & { readonly at: number }]

describe('a calendar', () => {
  const DAY = 86_400_000
  const calendar = utf8(`type: drills/v1
drills:
  - incident: shard-compromised
    every: quarter
  - incident: site-lost
    every: month
`)
  const report: Omit<DrillReport, 'identity' | 'at'> = {
    ...{ incident: 'site-lost', site: 'ap' as SiteId, met: true, ceremony: 'ab'.repeat(32) as Hash },
    ...{ name: 'treasury', protocol: 'frost-ed25519', seed: 'seed', build: 'b1'.repeat(32) as Hash },
    ...{ runtime: 'node 20.20.2', steps: [] },
  }
  let eu: IdentityKey
  let us: IdentityKey
  const folders: string[] = []
  beforeAll(async () => {
    eu = await (await openHome((await memoryHome('eu')).disk)).unlock()
    us = await (await openHome((await memoryHome('us')).disk)).unlock()
  })
  afterAll(async () => {
    for (const folder of folders) await rm(folder, { recursive: true })
  })

  /** The list, where these reports lie in the folder. */
  const listed = async (...reports: Signed[]) => {
    const folder = await mkdtemp(join(tmpdir(), 'quorate drills '))
    folders.push(folder)
    for (const [n, [{ identity, signer }, changes]] of reports.entries()) {
      const signed = await signer.sign(drillCodec, { ...report, identity, ...changes })
      await writeFile(join(folder, `${n}.dsse`), toEnvelope(signed))
    }
    await writeFile(join(folder, 'notes.txt'), 'no report')
    return listDrills({ calendar, reports: folder, trust: eu.identity, now: NOW })
  }

  it('has everything overdue before the first drill', async () => {
    const { drills } = await listDrills({ calendar, reports: '/nowhere', trust: eu.identity, now: NOW })
    expect(drills.map(({ last, overdue }) => [last, overdue])).toEqual([
      [null, true],
      [null, true],
    ])
  })

  it('counts the newest one that was met, for as long as its period', async () => {
    const lost = async (...given: Signed[]) => (await listed(...given)).drills[1]
    expect(await lost([eu, { at: NOW - 30 * DAY }], [eu, { at: NOW - 90 * DAY }])).toMatchObject({
      last: NOW - 30 * DAY,
      due: NOW + DAY,
      overdue: false,
      failedSince: false,
    })
    expect(await lost([eu, { at: NOW - 32 * DAY }])).toMatchObject({ overdue: true })
    expect(await lost([eu, { at: NOW - 2 * DAY }], [eu, { at: NOW - DAY, met: false }])).toMatchObject({
      last: NOW - 2 * DAY,
      failedSince: true,
    })
    expect(await lost([eu, { at: NOW + DAY }])).toMatchObject({ last: null, overdue: true })
    expect(await lost([eu, { at: NOW, incident: 'shard-compromised' }])).toMatchObject({ last: null })
  })

  it('does not count what a stranger signed', async () => {
    const { drills, refused } = await listed([us, { at: NOW }])
    expect(drills[1]).toMatchObject({ last: null, overdue: true })
    expect(refused).toMatchObject([{ file: '0.dsse' }])
  })

  it.each([
    ['type: drills/v1\ndrills: []\n', 'expected a drill'],
    ['type: drills/v1\ndrills:\n  - incident: fire\n    every: month\n', 'expected one of'],
    ['type: drills/v1\ndrills:\n  - incident: site-lost\n    every: day\n', 'expected month, quarter or year'],
    [
      'type: drills/v1\ndrills:\n  - incident: site-lost\n    every: month\n  - incident: site-lost\n    every: year\n',
      'each incident once',
    ],
  ])('is refused where it is none: %j', async (text, why) => {
    const wanted = { calendar: utf8(text), reports: '/nowhere', trust: eu.identity, now: NOW }
    const error = await listDrills(wanted).catch((one: unknown) => one)
    expect(error).toMatchObject({ code: 'E_FILE' })
    expect((error as Error).message).toContain(why)
  })
})
