import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRoot } from '../../src/host/disk.ts'
import { shardStore } from '../../src/shards/store.ts'
import { planRotation } from '../../src/site/planning.ts'
import { built } from '../support/cli.ts'
import { makeHomes, type Planner, planKeygenIn, planOfKeyIn, planSignIn, type RealHomes } from './homes.ts'
import { deadlines, epochsOf, joinCalmly, type KillRow, killing, nexts } from './kill.ts'

const names = ['eu', 'us', 'ap']
const signers = ['eu', 'us']
const renewed: Planner = (flags) => planRotation(flags, Date.now())

describe('kill -9 of a site at a barrier', () => {
  let homes: RealHomes & { readonly root: string }
  let keyed: RealHomes
  let key: string
  let kills: Awaited<ReturnType<typeof killing>>

  beforeAll(async () => {
    await built()
    homes = await makeHomes(names)
    kills = await killing(homes.root)
    keyed = await homes.copy('keyed')
    await planKeygenIn(keyed, names, [kills.relay()], deadlines)
    await joinCalmly(keyed, keygen, names)
    const disk = await openRoot(keyed.home('eu'))
    const [epoch] = await shardStore(disk).list()
    await disk.close()
    key = epoch?.key ?? ''
  })
  afterAll(async () => {
    await kills.close()
    await rm(homes.root, { recursive: true, force: true })
  })

  /** `files`: of epochs, at a site, where it was made and where somebody left. */
  const oneEpoch =
    (who: readonly string[], files: { readonly made: number; readonly left: number }): KillRow['check'] =>
    async ({ homes: at, left }) => {
      const epochs = await Promise.all(who.map((name) => epochsOf(at, name)))
      const installed = left && files.left === 0 ? 0 : 1
      expect(new Set(epochs.flatMap((one) => one.installed)).size).toBe(installed)
      for (const one of epochs)
        expect([one.installed.length, one.files.length]).toEqual([installed, left ? files.left : files.made])
    }

  const keygen: KillRow = {
    ...{ kind: 'keygen', topic: 'keygen', who: names, nexts, step: 2 },
    async plan(to, relay) {
      const at = await homes.copy(to)
      return { homes: at, definition: await planKeygenIn(at, names, [relay], deadlines) }
    },
    check: oneEpoch(names, { made: 5, left: 0 }),
  }
  const sign: KillRow = {
    ...{ kind: 'sign', topic: 'sign', who: signers, nexts, step: 2 },
    async plan(to, relay) {
      const at = await keyed.copy(to)
      return { homes: at, definition: await planSignIn(at, signers, key, [relay], deadlines) }
    },
    check: oneEpoch(signers, { made: 5, left: 5 }),
  }
  const refresh: KillRow = {
    ...{ kind: 'refresh', topic: 'rotate', who: names, nexts, step: 2 },
    async plan(to, relay) {
      const at = await keyed.copy(to)
      return { homes: at, definition: await planOfKeyIn(at, names, key, [relay], deadlines, renewed) }
    },
    // Of a share that was replaced: its outcome, record and votes, and what replaced it; of the new one also what it names.
    check: oneEpoch(names, { made: 10, left: 5 }),
  }

  it('of a keygen: join or abort leads to a clean end', () => kills.playAll(keygen))

  it('of a sign: join or abort leads to a clean end', () => kills.playAll(sign))

  it('of a refresh: join or abort leads to a clean end, and every site holds one share', () => kills.playAll(refresh))
})
