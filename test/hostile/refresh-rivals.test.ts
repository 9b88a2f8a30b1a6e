import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { checkApproval } from '../../src/ceremony/definition/approve.ts'
import { definitionAt } from '../../src/ceremony/definition/definition-at.ts'
import { recordsToName, undecidedVotes } from '../../src/ceremony/epoch/rivals.ts'
import { definitionPath } from '../../src/ceremony/paths.ts'
import type { JoinControl } from '../../src/ceremony/store/ceremony.ts'
import type { Hash, SiteId, Time } from '../../src/lib/brand.ts'
import { ceremonyId, type Definition, definitionCodec } from '../../src/records/definition.ts'
import { refuseUnapprovable } from '../../src/site/approve.ts'
import { verifyHistory } from '../../src/site/history.ts'
import { planRotation } from '../../src/site/planning.ts'
import { seenFrom } from '../../src/site/seen.ts'
import { type MemoryWorld, memorySite } from '../support/memory-site.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { approveAll, type JoinChanges, joinAs, leftAt, writeHome } from './ceremonies.ts'
import {
  caseOf,
  diskOf,
  epochsAt,
  folderAt,
  heldAt,
  joinTogether,
  type KeyHolders,
  keyHolders,
  ownerOf,
  recordHash,
  said,
  stoppedAt,
} from './refreshes.ts'

/** Several definitions that replace one record: at most one of them binds an honest site, and one can be finished. */

const names = ['eu', 'us', 'ap'] as SiteId[]
const [eu, us, ap] = names as [SiteId, SiteId, SiteId]
const all = names.length
let holders: KeyHolders
let one: Definition
let two: Definition
beforeAll(async () => {
  holders = await keyHolders(names)
  one = await holders.refresh({ nonce: '11'.repeat(16) })
  two = await holders.refresh({ nonce: '22'.repeat(16) })
})

/** The record that a home voted for and that never came true there. */
const undecidedAt = async (world: MemoryWorld, name: SiteId): Promise<Hash> => {
  const staged = (await epochsAt(world, name)).find(({ state }) => state === 'staged')
  return recordHash(staged ?? expect.fail(`nothing is staged at ${name}`))
}

const voted = async (world: MemoryWorld, name: SiteId): Promise<readonly Definition[]> => {
  const both = await Promise.all([one, two].map(async (each) => [each, await leftAt(world, name, each)] as const))
  return both.flatMap(([each, { ready }]) => (ready ? [each] : []))
}

/** Leaves where every proof is here: right before its vote, when the others may have given theirs. */
const leavesBeforeVote = (): JoinChanges => {
  let control: JoinControl | undefined
  return {
    control: (given) => {
      control = given
    },
    progress: (event) => {
      if (event.phase === 'step' && event.step === 'proven' && event.got === all) void control?.abort('changed my mind')
    },
  }
}

describe('two refreshes of one record', () => {
  it('that run at once, each ahead at another site, bind no two sites to different ones', async () => {
    const world = await caseOf(holders, 'at once')
    const other = { ...world, network: memoryNetwork({ clock: world.clock, random: seededRandom('other room') }) }
    for (const definition of [one, two]) await approveAll(world, names, definition)
    const owners = new Map(await Promise.all(names.map(async (name) => [name, await ownerOf(world, name)] as const)))
    // The wire to one site is cut once it has staged, until another one waits for votes.
    const slow = (room: MemoryWorld, last: SiteId): ((site: SiteId) => JoinChanges) => {
      room.network.set({ delay: [1, 1] })
      return (name) => ({
        site: owners.get(name) ?? expect.fail(),
        progress: (event) => {
          if (event.phase !== 'step') return
          if (name === last && event.step === 'staged' && event.got === all)
            room.network.set({ tamper: (_from, to, frame) => (to === last ? [] : [frame]) })
          if (event.step === 'ready') room.network.set({ tamper: (_from, _to, frame) => [frame] })
        },
      })
    }
    const [inOne, inTwo] = [slow(world, us), slow(other, eu)]
    await Promise.all(
      names.flatMap((name) => [
        joinAs(world, name, one, null, undefined, inOne(name)),
        joinAs(other, name, two, null, undefined, inTwo(name)),
      ]),
    )
    const bound = await Promise.all(names.map((name) => voted(world, name)))
    expect(new Set(bound.flat()).size).toBeLessThanOrEqual(1)
    for (const room of [world, other]) room.network.set({ tamper: (_from, _to, frame) => [frame] })
    expect((await joinTogether(world, names, one)).map(said)).toEqual(['closed', 'closed', 'closed'])
    for (const name of names) expect(await heldAt(world, name)).toEqual(['1 retired', '2 installed'])
  })

  it('keep a site that staged in one out of the other, until it leaves the first', async () => {
    const world = await caseOf(holders, 'staged')
    await approveAll(world, names, one)
    await Promise.all(names.map((name) => joinAs(world, name, one, null, undefined, stoppedAt('proven', 1))))
    for (const name of names) expect(await heldAt(world, name)).toEqual(['1 installed', '2 staged'])
    await approveAll(world, names, two)
    const refused = await joinTogether(world, names, two)
    for (const { error } of refused)
      expect(error).toMatchObject({ code: 'E_NOT_FINISHED', template: expect.stringContaining('rotate abort') })
    await Promise.all(
      names.map((name) =>
        joinAs(world, name, one, null, undefined, { control: (given) => void given.abort('the other one') }),
      ),
    )
    for (const name of names) expect(await heldAt(world, name)).toEqual(['1 installed'])
    expect((await joinTogether(world, names, two)).map(said)).toEqual(['closed', 'closed', 'closed'])
    for (const name of names) expect(await heldAt(world, name)).toEqual(['1 retired', '2 installed'])
  })

  it('get one vote of a home, also where the files of the first are gone', async () => {
    const world = await caseOf(holders, 'gone')
    await approveAll(world, names, one)
    await Promise.all([
      joinAs(world, eu, one, null),
      joinAs(world, us, one, null),
      joinAs(world, ap, one, null, undefined, stoppedAt('proven', all)),
    ])
    for (const name of [eu, us]) expect(await voted(world, name)).toEqual([one])
    await approveAll(world, names, two)
    const folders = new Map(
      await Promise.all([eu, us].map(async (name) => [name, await folderAt(world, name, 2)] as const)),
    )
    for (const gone of [['outcome'], ['record', 'slots', 'shard']]) {
      for (const [name, folder] of folders)
        for (const part of gone) diskOf(world, name).files.delete(`${folder}/${part}`)
      for (const end of await joinTogether(world, [eu, us], two)) expect(said(end)).toMatch(/E_SHARD|E_NOT_FINISHED/)
      for (const name of [eu, us]) expect(await voted(world, name)).toEqual([one])
    }
  })
})

describe('a refresh that one site left before its vote, after others gave theirs', () => {
  let world: MemoryWorld
  beforeAll(async () => {
    world = await caseOf(holders, 'left')
    await approveAll(world, names, one)
    await Promise.all([
      joinAs(world, eu, one, null),
      joinAs(world, us, one, null, undefined, leavesBeforeVote()),
      joinAs(world, ap, one, null),
    ])
    expect(await Promise.all(names.map((name) => voted(world, name)))).toEqual([[one], [], [one]])
    await approveAll(world, names, two)
  })

  it('keeps the old shares', async () => {
    for (const name of [eu, ap]) expect(await heldAt(world, name)).toEqual(['1 installed', '2 staged'])
    expect(await heldAt(world, us)).toEqual(['1 installed'])
  })

  it('is not replaced by one that does not name it, and who voted says which', async () => {
    const ends = await joinTogether(world, names, two)
    for (const { site, error } of ends)
      expect(error).toMatchObject(
        site === us
          ? { code: 'E_APPROVALS_MISSING' }
          : {
              code: 'E_NOT_FINISHED',
              details: { record: await undecidedAt(world, site) },
              template: expect.stringContaining('rotate plan'),
            },
      )
    expect(await Promise.all(names.map((name) => voted(world, name)))).toEqual([[one], [], [one]])
  })

  it('is what a plan and an approval go by: at who voted, and nowhere else', async () => {
    const record = await undecidedAt(world, eu)
    for (const name of names) {
      const { home } = world.homes.get(name) ?? expect.fail()
      const site = await memorySite(world, name)
      expect(await recordsToName(site, holders.key)).toEqual(name === us ? [] : [record])
      const card = await home.card()
      const base = {
        definition: one,
        key: holders.key,
        record: holders.base,
        epoch: 1,
        publicKey: '',
        verifyingShares: [],
      }
      const undecided = await undecidedVotes(site, holders.key)
      const check = (definition: Definition) => () =>
        checkApproval({
          ...{ definition, identity: home.identity, card, now: world.clock.now(), undecided },
          base: { ...base, definition: { ...one, nonce: '44'.repeat(16) } },
        })
      if (name === us) expect(check(two)).not.toThrow()
      else
        expect(check(two)).toThrow(
          expect.objectContaining({ code: 'E_NOT_FINISHED', details: expect.objectContaining({ record }) }),
        )
      expect(check(await holders.refresh({ supersedes: [record] }))).not.toThrow()
      expect(check(one)).not.toThrow()
    }
  })

  it('is found by the commands in a home on disk: plan names it, and approve refuses what does not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate superseded '))
    try {
      const record = await undecidedAt(world, eu)
      const made = (await epochsAt(world, eu))[0]?.made.ceremony ?? expect.fail()
      const keygen = (await definitionAt(await memorySite(world, eu), made)) ?? expect.fail()
      await writeHome(folder, [...diskOf(world, eu).files, [definitionPath(made), definitionCodec.encode(keygen)]])
      const flags = { key: holders.key, cards: [], opens: undefined, closes: undefined, relays: [], approvers: [] }
      const { shown, seen } = await planRotation({ ...flags, home: folder }, world.clock.now())
      expect(shown.definition).toMatchObject({ kind: 'refresh', supersedes: [record] })
      const ceremony = ceremonyId(one)
      expect(seen.voted.get(record)).toBe(ceremony)
      expect((await seenFrom(folder, shown.definition, undefined)).voted.get(record)).toBe(ceremony)
      const open = { window: { opens: two.window.opens, closes: '2099-01-01T00:00:00Z' as Time } }
      const approving = { home: folder, message: undefined, trust: undefined }
      await refuseUnapprovable({ ...approving, definition: await holders.refresh({ ...open, supersedes: [record] }) })
      await expect(refuseUnapprovable({ ...approving, definition: await holders.refresh(open) })).rejects.toMatchObject(
        { code: 'E_NOT_FINISHED', details: { record } },
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('gives way to a new one that names it and that all approve', async () => {
    const next = await holders.refresh({ nonce: '33'.repeat(16), supersedes: [await undecidedAt(world, eu)] })
    await approveAll(world, names, next)
    expect((await joinTogether(world, names, next)).map(said)).toEqual(['closed', 'closed', 'closed'])
    for (const name of names) expect(await heldAt(world, name)).toEqual(['1 retired', '2 installed'])
    expect(said(await joinAs(world, eu, one, null))).toBe('E_CONSUMED')
  })

  it('is no fork, and nothing that has to be complete, in the history of the key', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate superseded '))
    try {
      for (const name of names)
        for (const [path, bytes] of diskOf(world, name).files)
          if (path.startsWith('bundles/'))
            writeFileSync(join(folder, `${name} ${path.slice('bundles/'.length)}`), bytes)
      const wanted = { folder, trust: undefined, trustStated: true, at: undefined, require: [], maxAge: undefined }
      const report = await verifyHistory({ ...wanted, now: world.clock.now() })
      const superseded = { epoch: 2, file: expect.stringMatching(/^us .*abort/) }
      expect(report).toMatchObject({
        verdict: 'valid',
        keys: [{ faults: [], epochs: [{ epoch: 1 }, { epoch: 2 }], superseded: [superseded] }],
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
