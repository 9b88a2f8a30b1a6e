import { afterEach, expect, it } from 'vitest'
import { stagedRecords } from '../../src/ceremony/epoch/staged-record.ts'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import type { Definition } from '../../src/records/definition.ts'
import { recordTable } from '../../src/records/record-table.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { type MemoryWorld, memorySite, memoryWorld } from '../support/memory-site.ts'
import { approveAll, type Joined, joinAs, type Liar, leftAt } from './ceremonies.ts'

const names = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2, s3] = names as [SiteId, SiteId, SiteId]
const stopped = new QuorateError('E_STOPPED', 'stopped', '')

const approved = async (): Promise<{ readonly world: MemoryWorld; readonly definition: Definition }> => {
  const world = await memoryWorld(names)
  const definition = await keygenDefinition({
    sites: await siteEntries(names),
    deadlines: { gather: 60, proposal: 5, round: 20, close: 12 },
  })
  await approveAll(world, names, definition)
  return { world, definition }
}

const codeOf = ({ error }: Joined): unknown => (error instanceof QuorateError ? error.code : error)

const open = Peers.prototype.open
afterEach(() => {
  Peers.prototype.open = open
})

/** s3 with everything but a vote: it keeps its proofs from some, and stops when it has those of all. */
const unvoting = (world: MemoryWorld, definition: Definition, keptFrom: readonly SiteId[]): Promise<Joined> => {
  const stop = new AbortController()
  const liar: Liar = {
    site: s3,
    ceremony: undefined,
    post: (_topic, _to, bytes) => [bytes],
    talk: (to, message) =>
      message.is === 'object' && message.name === 'possession' && keptFrom.includes(to) ? [] : [message],
  }
  return joinAs(world, s3, definition, null, liar, {
    stop: stop.signal,
    progress: (event) => {
      if (event.phase === 'step' && event.step === 'proven' && event.got === event.total) stop.abort(stopped)
    },
  })
}

/** All stage their shards in the first attempt, and nobody votes. */
const staged = async (world: MemoryWorld, definition: Definition): Promise<void> => {
  const first = await Promise.all([
    joinAs(world, s1, definition, null),
    joinAs(world, s2, definition, null),
    unvoting(world, definition, [s1, s2]),
  ])
  expect(first.map(codeOf)).toEqual(['E_PEER_SILENT', 'E_PEER_SILENT', 'E_STOPPED'])
}

/** The liar's newest room, to say what its code would not. */
const watchRoom = (): { room?: Peers } => {
  const watched: { room?: Peers } = {}
  Peers.prototype.open = function (this: Peers) {
    if (!this.bySite.has(s3)) watched.room = this
    open.call(this)
  }
  return watched
}

/** Shows one site the liar's vote for the record of the first attempt, and its proofs. */
const showFirst = async (liar: Liar, room: Peers | undefined, to: SiteId): Promise<void> => {
  const ceremony = liar.ceremony ?? expect.fail('no liar')
  const record = stagedRecords(ceremony)[0]?.hash ?? expect.fail('no record')
  const value = { ceremony: ceremony.authority.hash, site: s3, record, base: null }
  const vote = toEnvelope(await ceremony.signer.sign(recordTable.ready.codec, value))
  for (const { envelope } of ceremony.store.of('possession', ceremony.seat.identity))
    room?.send(to, { is: 'object', name: 'possession', bytes: envelope })
  room?.send(to, { is: 'object', name: 'ready', bytes: vote })
}

const apart = { tamper: (from: SiteId, to: SiteId, frame: Uint8Array) => (from !== s3 && to !== s3 ? [] : [frame]) }
const together = { tamper: (_from: SiteId, _to: SiteId, frame: Uint8Array) => [frame] }

/**
 * A lie, a split and silence together. The second attempt starts at s2 alone: s3 shows its signature of it to nobody else,
 * and the relay cuts s1 and s2 apart. Then s3 gives s1 its proof and its vote of the first attempt, s1 votes, and s3 is gone
 * for ever.
 */
it('a site that began another attempt votes for the record before, once so many did that no other can be ready', async () => {
  const { world, definition } = await approved()
  await staged(world, definition)
  const watched = watchRoom()
  let begun = false
  let telling = false
  const liar: Liar = {
    site: s3,
    ceremony: undefined,
    post: (_topic, _to, bytes) => [bytes],
    talk(to, message) {
      if (message.is !== 'object' || telling) return [message]
      if (message.name === 'attempt' && liar.ceremony?.attempts.length === 2 && to === s2) {
        begun = true
        world.network.set(apart)
        return [message]
      }
      // Nothing of s2 passes over it to s1, either.
      if (message.name === 'possession' || (to === s1 && begun)) return []
      return message.name === 'attempt' && liar.ceremony?.attempts.length === 2 ? [] : [message]
    },
  }
  const stop = new AbortController()
  const lying = joinAs(world, s3, definition, null, liar, { stop: stop.signal })
  const joins = [s1, s2].map((name) => joinAs(world, name, definition, null))
  for (let n = 0; !begun && n < 600; n++) await world.clock.sleep(100)
  await world.clock.sleep(8000)
  telling = true
  await showFirst(liar, watched.room, s1)
  const told = await Promise.all(joins)
  stop.abort(stopped)
  await lying

  // Else this shows nothing: s1 voted and never began the second attempt, s2 began it and did not vote.
  expect(told.map(codeOf)).toEqual(['E_NOT_FINISHED', 'E_QUORUM'])
  const before = await Promise.all([s1, s2].map((name) => leftAt(world, name, definition)))
  expect(before.map(({ ready }) => ready)).toEqual([true, false])
  expect(before.map(({ events }) => events.filter(({ what }) => what === 'started').length)).toEqual([1, 2])

  world.network.set(together)
  let last: readonly Joined[] = []
  for (let again = 0; again < 2; again++)
    last = await Promise.all([s1, s2].map((name) => joinAs(world, name, definition, null)))
  expect(last.map(codeOf)).toEqual([undefined, undefined])
  for (const name of [s1, s2])
    expect(await leftAt(world, name, definition)).toMatchObject({ ready: true, installed: 1, staged: 0 })
})

/** All stage in the second attempt too, and s1 votes for what came of it. Only s2 is shown the liar's vote for the first. */
it('a site that began another attempt follows no single vote for the record before', async () => {
  const { world, definition } = await approved()
  await staged(world, definition)
  const site = await memorySite(world, s1)
  const mute: typeof site.connect = async (to) => ({ ...(await site.connect(to)), post: () => undefined })
  const second = await Promise.all([
    joinAs(world, s1, definition, null, undefined, {
      site: { connect: mute },
      progress: (event) => {
        if (event.phase === 'step' && event.step === 'proven' && event.got === event.total) world.network.set(apart)
      },
    }),
    joinAs(world, s2, definition, null),
    unvoting(world, definition, [s2]),
  ])
  expect(second.map(codeOf)).toEqual(['E_NOT_FINISHED', 'E_PEER_SILENT', 'E_STOPPED'])
  const watched = watchRoom()
  const stop = new AbortController()
  const liar: Liar = {
    site: s3,
    ceremony: undefined,
    post: (_topic, _to, bytes) => [bytes],
    talk: (_to, message) => [message],
  }
  const lying = joinAs(world, s3, definition, null, liar, { stop: stop.signal })
  const alone = joinAs(world, s2, definition, null)
  await world.clock.sleep(3000)
  await showFirst(liar, watched.room, s2)
  await world.clock.sleep(3000)
  stop.abort(stopped)
  await lying
  // It has the liar's vote, and all proofs of the record that the vote is for.
  expect(codeOf(await alone)).toBe('E_QUORUM')
  const left = await leftAt(world, s2, definition)
  expect(left.events.filter(({ what, site }) => what === 'ready' && site === s3)).toHaveLength(1)
  expect(left.ready).toBe(false)

  world.network.set(together)
  const last = await Promise.all([s1, s2].map((name) => joinAs(world, name, definition, null)))
  for (const { error } of last)
    expect(error).toMatchObject({ code: 'E_NOT_FINISHED', details: { step: 'ready', waiting: [s3] } })
  expect(new Set(last.map(({ ceremony, site }) => ceremony?.store.ready.get(site)?.signed.value.record)).size).toBe(1)
})

it('shards of other attempts go once a site has voted, and not before', async () => {
  const { world, definition } = await approved()
  await staged(world, definition)
  const seen = new Map<SiteId, number>()
  const joined = await Promise.all(
    names.map((name) =>
      joinAs(world, name, definition, null, undefined, {
        progress: (event) => {
          if (event.phase !== 'step' || event.step !== 'proven' || event.got !== event.total) return
          void world.clock.hold(leftAt(world, name, definition)).then((left) => seen.set(name, left.staged))
        },
      }),
    ),
  )
  expect(joined.map(codeOf)).toEqual([undefined, undefined, undefined])
  expect([...seen.values()]).toEqual([2, 2, 2])
  for (const name of names) expect(await leftAt(world, name, definition)).toMatchObject({ installed: 1, staged: 0 })
})

it('that an attempt began is durable before its site says anything in it', async () => {
  const { world, definition } = await approved()
  let said = 0
  const watched: Liar = {
    site: s1,
    ceremony: undefined,
    talk: (_to, message) => [message],
    post(_topic, _to, bytes) {
      const log = watched.ceremony?.log ?? expect.fail('nobody')
      const started = [...log.replay()].find(({ what }) => what === 'started') ?? expect.fail('not begun')
      expect(log.head?.size).toBeGreaterThan(started.seq)
      said += 1
      return [bytes]
    },
  }
  const joined = await Promise.all(
    names.map((name) => joinAs(world, name, definition, null, name === s1 ? watched : undefined)),
  )
  expect(joined.map(codeOf)).toEqual([undefined, undefined, undefined])
  expect(said).toBeGreaterThan(0)
})
