import { expect, test } from 'vitest'
import type { Hash } from '../../src/lib/brand.ts'
import { Outbox } from '../../src/transport/stream.ts'

const topic = 'ab'.repeat(32) as Hash
const none = new Uint8Array(16)

/** Runs until `end`, one message each `every` ms; the peer acknowledges each segment `slow` ms after its first sending. */
const run = (slow: number, every: number, end: number) => {
  const box = new Outbox()
  const arrives = new Map<number, number>()
  let sent = 0
  let again = 0
  for (let now = 0; now < end; now += 10) {
    if (now % every === 0) void box.enqueue(topic, new Uint8Array(1000))
    for (let one = box.next(now); one !== undefined; one = box.next(now)) {
      sent += 1
      arrives.set(one.number, now + slow)
    }
    again += box.overdue(now).length
    const next = [...arrives.values()].filter((at) => at <= now).length
    box.acknowledge({ next, bits: none }, now)
  }
  return { sent, again, roundTrip: box.roundTrip }
}

test('a peer that is slow, and loses nothing, is sent little twice, however slow it is', () => {
  for (const slow of [200, 1000, 5000]) {
    const { sent, again, roundTrip } = run(slow, 100, 60_000)
    expect(sent).toBeGreaterThan(500)
    expect(again, `${slow} ms`).toBeLessThan(sent / 5)
    expect(Math.abs((roundTrip ?? 0) - slow)).toBeLessThan(slow / 5)
  }
})

test('of a peer that answers nothing, one full segment at most is sent again at a time, and less and less often', () => {
  const box = new Outbox()
  void box.enqueue(topic, new Uint8Array(200_000))
  while (box.next(0) !== undefined);
  const times: number[] = []
  for (let now = 0; now < 20_000; now += 10) {
    const bytes = box.overdue(now).reduce((sum, { data }) => sum + data.length, 0)
    expect(bytes).toBeLessThanOrEqual(49_152)
    if (bytes > 0) times.push(now)
  }
  // All of it every two seconds, in five pieces.
  expect(times.filter((at) => at > 10_000).length).toBeLessThanOrEqual(30)
})

test('a wire that is opened again is used at once', () => {
  const box = new Outbox()
  void box.enqueue(topic, new Uint8Array(10))
  box.next(0)
  for (let now = 0; now < 30_000; now += 10) box.overdue(now)
  box.retransmitNow(30_000)
  expect(box.overdue(30_000)).toHaveLength(1)
  expect(box.overdue(30_060)).toHaveLength(0)
  expect(box.overdue(30_100)).toHaveLength(1)
})

/** A peer 50 ms away that says nothing for half a minute, while ten messages wait for it, and then is here again. */
const cameBack = () => {
  const box = new Outbox()
  let now = 0
  let next = 0
  const say = (): void => {
    void box.enqueue(topic, new Uint8Array(10))
    while (box.next(now) !== undefined) next += 1
  }
  const answer = (): void => {
    now += 50
    box.acknowledge({ next, bits: none }, now)
  }
  for (let n = 0; n < 20; n++) {
    say()
    answer()
  }
  for (let n = 0; n < 10; n++) say()
  for (const end = now + 30_000; now < end; now += 50) box.overdue(now)
  answer()
  return { box, say, answer, wait: () => box.due() - now, roundTrip: () => box.roundTrip, at: () => now }
}

test('after a silence what is lost is sent again in time for a round, and as before once an answer came', () => {
  const { say, answer, wait, roundTrip } = cameBack()
  say()
  expect(wait()).toBeLessThanOrEqual(10_000)
  expect(roundTrip()).toBeCloseTo(50)
  answer()
  say()
  expect(wait()).toBeLessThan(200)
})

test('what was lost before the first answer waits no longer than what is sent after it', () => {
  const { box, say, wait, at } = cameBack()
  say()
  say()
  expect(wait()).toBeGreaterThan(1000)
  const bits = none.slice()
  bits[0] = 1
  box.acknowledge({ next: 30, bits }, at() + 50)
  expect(wait()).toBeLessThan(300)
})
