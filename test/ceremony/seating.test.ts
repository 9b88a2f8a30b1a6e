import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Candidate, mayFollow, type SeatingFacts, seatsToPropose } from '../../src/ceremony/gather/seating.ts'
import type { SiteId } from '../../src/lib/brand.ts'

/** Milliseconds of a proposal deadline, and of the quarter that the turns of two coordinators are apart. */
const [PROPOSAL, QUARTER] = [4000, 1000]
/** Later than any turn of eight coordinators. */
const END = 80 * QUARTER

interface Room {
  readonly sites: number
  readonly threshold: number
  /** By site: turns that it has had, and whether it is here. */
  readonly turns: readonly number[]
  readonly here: readonly boolean[]
  readonly crossed: boolean
}

const rooms: fc.Arbitrary<Room> = fc
  .record({
    sites: fc.integer({ min: 3, max: 9 }),
    less: fc.integer({ min: 0, max: 7 }),
    turns: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 9, maxLength: 9 }),
    here: fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }),
    crossed: fc.boolean(),
  })
  .map(({ less, ...room }) => ({ ...room, threshold: Math.max(2, room.sites - less) }))

const nameOf = (at: number): SiteId => `s${at + 1}` as SiteId

/** A room as one of its sites sees it: all came free at 0. `sitting`: is in the newest attempt of that coordinator. */
const factsOf = (room: Room, self: SiteId, now: number, sitting?: SiteId): SeatingFacts => {
  const names = Array.from({ length: room.sites }, (_, at) => nameOf(at))
  const coordinators = names.slice(0, room.sites - room.threshold + 1)
  const candidates = names.map((site, at): Candidate => {
    const busy = site === sitting
    return {
      site,
      out: false,
      here: site === self || room.here[at] === true,
      free: !busy,
      busyUntil: busy ? END : undefined,
      freeSince: 0,
      wanted: new Map(),
      unanswered: 0,
    }
  })
  const turns = new Map(
    coordinators.map((site, at) => [site, (room.turns[at] ?? 0) + (site === sitting ? 1 : 0)] as const),
  )
  const { threshold: seats, crossed } = room
  const proposed = new Map(
    sitting === undefined ? [] : [[sitting, { at: 0, sites: [sitting], signed: [sitting] }] as const],
  )
  return {
    self,
    candidates,
    coordinators,
    seats,
    turns,
    proposed,
    crossed,
    now,
    proposalMs: PROPOSAL,
    attemptMs: 10 * END,
  }
}

const whoIsHere = ({ sites, here }: Room): readonly SiteId[] =>
  Array.from({ length: sites }, (_, at) => nameOf(at)).filter((_, at) => here[at])

const firstTime = (holds: (now: number) => boolean): number | undefined => {
  for (let now = 0; now <= END; now += QUARTER / 4) if (holds(now)) return now
  return undefined
}

const proposes = (room: Room, self: SiteId): number | undefined =>
  firstTime((now) => seatsToPropose(factsOf(room, self, now)) !== undefined)

const follows = (room: Room, self: SiteId, coordinator: SiteId): number | undefined =>
  firstTime((now) => mayFollow(factsOf(room, self, now, coordinator), coordinator))

/** Coordinators here and their turns, where enough are here to propose at all. */
const lineOf = (room: Room): readonly { readonly site: SiteId; readonly turns: number; readonly at: number }[] =>
  whoIsHere(room).flatMap((site) => {
    const at = proposes(room, site)
    const turns = factsOf(room, site, 0).turns.get(site)
    return at === undefined || turns === undefined ? [] : [{ site, turns, at }]
  })

test('no two coordinators that see the same propose within a quarter of each other', () => {
  fc.assert(
    fc.property(rooms, (room) => {
      const times = lineOf(room)
        .map(({ at }) => at)
        .sort((a, b) => a - b)
      for (const [n, time] of times.entries())
        if (n > 0) expect(time - (times[n - 1] as number)).toBeGreaterThanOrEqual(QUARTER)
    }),
    { numRuns: 100 },
  )
})

test('nobody follows one that has had more turns before each here with fewer had the time to propose', () => {
  fc.assert(
    fc.property(rooms, (room) => {
      const line = lineOf(room)
      for (const one of line)
        for (const other of line.filter(({ turns }) => turns < one.turns))
          for (const follower of whoIsHere(room).filter((site) => site !== one.site)) {
            const from = follows(room, follower, one.site)
            expect(from).toBeGreaterThan(other.at + QUARTER)
            // One that keeps to the rule finds its followers done waiting.
            expect(from).toBeLessThan(one.at)
          }
    }),
    { numRuns: 100 },
  )
})

test('somebody here proposes where a quorum is, and at once where nobody has its turn before', () => {
  fc.assert(
    fc.property(rooms, (room) => {
      const here = whoIsHere(room)
      fc.pre(here.length >= room.threshold)
      const line = lineOf(room)
      expect(line.length).toBeGreaterThan(0)
      if (!room.crossed) expect(Math.min(...line.map(({ at }) => at))).toBe(0)
    }),
    { numRuns: 100 },
  )
})

test('after a crossing two with different views of a third are kept apart by their places', () => {
  const room: Room = { sites: 6, threshold: 4, turns: [0, 1, 1], here: Array(6).fill(true), crossed: true }
  const blind: Room = { ...room, here: [false, true, true, true, true, true] }
  for (const turns of [
    [0, 0, 0],
    [0, 1, 1],
    [0, 2, 2],
  ]) {
    const [second, third] = [proposes({ ...room, turns }, nameOf(1)), proposes({ ...blind, turns }, nameOf(2))]
    expect(Math.abs((second as number) - (third as number))).toBeGreaterThanOrEqual(QUARTER / 2)
  }
})

test('the proposal that a site looks at is no reason to wait for another coordinator', () => {
  const room: Room = { sites: 4, threshold: 3, turns: [0, 1], here: Array(4).fill(true), crossed: false }
  expect(follows(room, nameOf(2), nameOf(1))).toBe(2 * QUARTER)
})

test('nobody is asked for whom an earlier proposal may be about to be signed, and none of another holds anybody up', () => {
  const room: Room = { sites: 4, threshold: 3, turns: [1, 0], here: Array(4).fill(true), crossed: false }
  const asks = (by: number, turns = room.turns): boolean => {
    const facts = factsOf({ ...room, turns }, nameOf(1), QUARTER)
    const wanted = new Map([[nameOf(by), 2 * QUARTER]])
    const candidates = facts.candidates.map((one, at) => (at === 0 || at === 2 ? { ...one, wanted } : one))
    return seatsToPropose({ ...facts, candidates }) !== undefined
  }
  expect(asks(0)).toBe(false)
  // It had its turn before: this one is out of the line.
  expect(asks(0, [2, 0])).toBe(true)
  // Proposes though it is no coordinator.
  expect(asks(3)).toBe(true)
  // This site's own last proposal, which it has left.
  expect(asks(1)).toBe(false)
})
