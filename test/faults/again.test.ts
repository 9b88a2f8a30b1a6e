import { beforeAll, describe, expect, it, vi } from 'vitest'
import { HELP_MS } from '../../src/ceremony/close/latecomers.ts'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { bundlePath } from '../../src/ceremony/paths.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import { keygenDefinition } from '../support/definition.ts'
import { fastClock } from '../support/fast-clock.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import { type Process, startProcess } from './process.ts'
import { approveOn, copyOf, filesIn, newHome } from './world.ts'

const names = ['eu', 'us', 'ap']

describe('join on a ceremony that has ended', () => {
  const ended = new Map<string, ReadonlyMap<string, Uint8Array>>()
  let definition: Definition
  let bundle: string

  const worldOf = async () => {
    const clock = fastClock()
    const network = memoryNetwork({ clock, random: seededRandom('again') })
    const disks = new Map<string, SimDisk>()
    for (const [name, files] of ended) disks.set(name, await copyOf(files, 1))
    const told: string[] = []
    const start = (name: string, relay = true): Process =>
      startProcess({
        name,
        disk: disks.get(name) as SimDisk,
        network,
        definition,
        message: null,
        relay,
        progress: ({ phase }) => told.push(phase),
      })
    const bytes = async (name: string) => hashOf((await disks.get(name)?.read(bundle)) ?? new Uint8Array())
    return { start, bytes, disks, told, clock }
  }
  const open = async (process: Process) => {
    const ending = await process.ended
    if (ending.is !== 'closed') throw new Error(ending.is === 'failed' ? ending.error.message : 'died')
    return ending.result.open
  }

  beforeAll(async () => {
    definition = await keygenDefinition({ deadlines: { gather: 8, proposal: 4, round: 8, close: 4 } })
    bundle = bundlePath(definitionAuthority(definition).hash, 'keygen')
    for (const name of names) {
      const disk = await copyOf(await newHome(name), 1)
      await approveOn(disk, name, definition)
      ended.set(name, await filesIn(disk))
    }
    const { start, disks } = await worldOf()
    await Promise.all(names.map((name) => start(name)).map(open))
    for (const [name, disk] of disks) ended.set(name, await filesIn(disk))
  })

  it('alone: the same result and the same bundle, without waiting for the close deadline', async () => {
    const { start, bytes, told, clock } = await worldOf()
    const before = await bytes('eu')
    const sleeps = vi.spyOn(clock, 'sleep')
    expect(await open(start('eu'))).toEqual([])
    const waits = sleeps.mock.calls.map(([ms]) => ms)
    // It looks who is here; nothing is gathered or run again, and no wait until the close deadline is begun.
    expect(waits).toContain(HELP_MS)
    expect(waits.filter((ms) => ms > HELP_MS && ms <= definition.deadlines.close * 1000)).toEqual([])
    expect(told).toEqual([])
    expect(await bytes('eu')).toBe(before)
  })

  it('with no relay: the same', async () => {
    const { start, bytes } = await worldOf()
    const before = await bytes('eu')
    expect(await open(start('eu', false))).toEqual([])
    expect(await bytes('eu')).toBe(before)
  })

  it('a site that lost its bundle gets all of it back, from one site after the other', async () => {
    const { start, bytes, disks } = await worldOf()
    await disks.get('us')?.remove(bundle)
    expect(await open(start('us'))).toEqual([
      'eu: log or cosignature missing',
      'ap: log or cosignature missing',
      'eu: manifest signature missing',
      'ap: manifest signature missing',
    ])
    const [withEu] = await Promise.all([start('us'), start('eu')].map(open))
    expect(withEu).toContain('ap: log or cosignature missing')
    // What eu said of ap's log could not be kept without that log.
    const [withAp] = await Promise.all([start('us'), start('ap')].map(open))
    expect(withAp).toEqual(['eu: log or cosignature missing', 'eu: manifest signature missing'])
    const [whole, other] = await Promise.all([start('us'), start('eu')].map(open))
    expect([whole, other]).toEqual([[], []])
    expect(new Set(await Promise.all(names.map(bytes))).size).toBe(1)
  })

  it.each([2000, 100_000])('a bundle on its own disk that was changed is made anew, not believed', async (fromEnd) => {
    const { start, bytes, disks } = await worldOf()
    const before = await bytes('eu')
    const changed = (await disks.get('us')?.read(bundle)) ?? new Uint8Array()
    const at = changed.length - fromEnd
    changed[at] = (changed[at] ?? 0) ^ 1
    await disks.get('us')?.remove(bundle)
    await disks.get('us')?.create(bundle, changed)
    const [us] = await Promise.all(['us', 'eu', 'ap'].map((name) => start(name)).map(open))
    expect(us).toEqual([])
    expect(await bytes('us')).toBe(before)
  })
})
