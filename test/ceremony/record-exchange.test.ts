import { setMaxListeners } from 'node:events'
import { expect, test } from 'vitest'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { RecordExchange } from '../../src/ceremony/peers/record-exchange.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { stillClock } from '../../src/rehearsal/still-clock.ts'

type Body = Extract<PeerMessage, { is: 'object' }>

const [a, b, c] = ['a', 'b', 'c'] as [SiteId, SiteId, SiteId]
const record = (text: string): Body => ({ is: 'object', name: 'approval', bytes: utf8(text) })
const hash = ({ bytes }: Body): Hash => hashOf(bytes)
const listed = (is: 'have' | 'ask' | 'gone', ...records: Body[]): PeerMessage => ({
  is,
  objects: records.map((one) => fromHex(hash(one))),
})
const text = (message: PeerMessage): string => {
  if (message.is === 'object') return new TextDecoder().decode(message.bytes)
  return 'objects' in message ? `${message.is} ${message.objects.map((raw) => toHex(raw)).join()}` : message.is
}

/** A site that meets a, b and c, and takes no record whose text is in `refused`. */
const site = (refused: readonly string[] = []) => {
  const clock = stillClock()
  const { signal: over } = new AbortController()
  setMaxListeners(0, over)
  const held = new Map<Hash, Body>()
  const took: string[] = []
  const said: { readonly to: SiteId; readonly text: string; readonly message: PeerMessage; readonly at: number }[] = []
  const exchange = new RecordExchange([a, b, c], {
    clock,
    over,
    send: (to, message) => said.push({ to, text: text(message), message, at: clock.monotonic() }),
    handle(_from, message) {
      took.push(text(message))
      if (message.is !== 'object') return true
      if (message.name !== 'approval' || refused.includes(text(message))) return false
      held.set(hash(message), message)
      return true
    },
    find: (one) => held.get(one),
    roundTrip: () => 0,
  })
  return { clock, exchange, took, said, hold: (one: Body) => held.set(hash(one), one) }
}
const clockWord: PeerMessage = { is: 'clock', at: 1 }
const few = utf8('x')
/** Hashes of nothing. */
const numbered = (count: number, part: number): readonly Uint8Array[] =>
  Array.from({ length: count }, (_, at) =>
    new Uint8Array(32)
      .fill(at & 255)
      .fill(at >> 8, 8)
      .fill(part, 16),
  )

test('a record of which several tell is asked of one, and taken once', async () => {
  const { clock, exchange, said, took } = site()
  for (const from of [a, b, c]) exchange.receive(from, listed('have', record('x')))
  await clock.sleep(200)
  expect(said.map(({ to, message }) => [to, message.is])).toEqual([[a, 'ask']])
  exchange.receive(a, record('x'))
  await clock.sleep(10_000)
  expect(took).toEqual(['x'])
  expect(said).toHaveLength(1)
})

test('one that comes from its author meanwhile is asked of nobody', async () => {
  const { clock, exchange, said, took } = site()
  exchange.receive(b, listed('have', record('x')))
  exchange.receive(a, record('x'))
  await clock.sleep(10_000)
  expect([took, said]).toEqual([['x'], []])
})

test('a peer that tells of a record and never shows it delays itself alone, and nobody waits for it', async () => {
  const { clock, exchange, said, took } = site()
  exchange.receive(a, listed('have', record('x'), record('never')))
  exchange.receive(a, clockWord)
  exchange.receive(b, listed('have', record('x')))
  await clock.sleep(100)
  await clock.sleep(350)
  expect(said.map(({ to, text: words }) => [to, words])).toEqual([
    [a, text(listed('ask', record('x'), record('never')))],
    [b, text(listed('ask', record('x')))],
  ])
  exchange.receive(b, record('x'))
  exchange.receive(c, { is: 'remember', note: new Uint8Array() })
  expect(took).toEqual(['x', 'remember'])
  await clock.sleep(10_000)
  expect(took).toEqual(['x', 'remember', 'clock'])
})

test('what a peer says after a record waits until that record is here, in whatever order they come', async () => {
  const { clock, exchange, took } = site()
  exchange.receive(a, listed('have', record('x')))
  exchange.receive(a, record('rests on x'))
  exchange.receive(a, listed('have', record('y')))
  await clock.sleep(150)
  exchange.receive(a, record('y'))
  expect(took).toEqual([])
  exchange.receive(a, record('x'))
  expect(took).toEqual(['x', 'rests on x', 'y'])
})

test('each list is chased by itself: a later one waits for no earlier one', async () => {
  const { clock, exchange, said } = site()
  exchange.receive(a, listed('have', record('x')))
  await clock.sleep(500)
  exchange.receive(a, listed('have', record('y')))
  await clock.sleep(200)
  expect(said.map(({ text: words }) => words)).toEqual([
    text(listed('ask', record('x'))),
    text(listed('ask', record('y'))),
  ])
})

test('a list of which nothing lacks any more holds no later word up', async () => {
  const { exchange, took } = site()
  exchange.receive(b, listed('have', record('x')))
  exchange.receive(a, record('x'))
  exchange.receive(b, clockWord)
  expect(took).toEqual(['x', 'clock'])
})

test('several lists of which nothing lacks any more let go of all that came after them', async () => {
  const { exchange, took } = site()
  exchange.receive(b, listed('have', record('x')))
  exchange.receive(b, listed('have', record('y')))
  exchange.receive(b, clockWord)
  exchange.receive(a, record('y'))
  exchange.receive(a, record('x'))
  expect(took).toEqual(['y', 'x', 'clock'])
})

test('a record that one gave before it could be verified is asked of the next that has it', async () => {
  const refused = ['x']
  const { clock, exchange, took } = site(refused)
  exchange.receive(a, listed('have', record('x')))
  exchange.receive(b, listed('have', record('first'), record('x')))
  await clock.sleep(120)
  exchange.receive(a, record('x'))
  exchange.receive(b, record('first'))
  refused.length = 0
  await clock.sleep(500)
  exchange.receive(b, record('x'))
  expect(took).toEqual(['x', 'first', 'x'])
})

test('what a peer has no more it says, and its word waits no longer', async () => {
  const { clock, exchange, took } = site()
  exchange.receive(a, listed('have', record('x')))
  exchange.receive(a, clockWord)
  await clock.sleep(150)
  exchange.receive(a, listed('gone', record('x')))
  expect(took).toEqual(['clock'])
})

test('a site gives each record once on a channel, says else that it does not, and gives it again on the next', () => {
  const { exchange, said, hold } = site()
  hold(record('x'))
  for (let n = 0; n < 3; n++) exchange.receive(a, listed('ask', record('x'), record('unknown')))
  const never = text(listed('gone', record('x'), record('unknown')))
  expect(said.map(({ text: words }) => words)).toEqual(['x', text(listed('gone', record('unknown'))), never, never])
  exchange.connected(a)
  exchange.receive(a, listed('ask', record('x')))
  expect(said.at(-1)?.text).toBe('x')
})

test('a peer hears of a record before it is sent what rests on it, and of none that it told of itself', async () => {
  const { clock, exchange, said } = site()
  exchange.receive(b, listed('have', record('x')))
  exchange.receive(b, record('x'))
  for (const to of [a, b, c]) exchange.offer(to, hash(record('x')))
  exchange.sending(a, record('own'))
  expect(said.map(({ to, text: words }) => [to, words])).toEqual([[a, text(listed('have', record('x')))]])
  await clock.sleep(1000)
  expect(said.map(({ to }) => to)).toEqual([a, c])
})

test('of a peer that says more than is kept nothing waits, and a new channel waits for nothing that was told before', async () => {
  const { clock, exchange, took } = site()
  exchange.receive(a, listed('have', record('never')))
  for (let n = 0; n < 5000; n++) exchange.receive(a, clockWord)
  expect(took.length).toBeGreaterThan(4000)
  exchange.receive(b, listed('have', record('never')))
  exchange.receive(b, clockWord)
  const before = took.length
  exchange.connected(b)
  expect(took.length).toBe(before + 1)
  await clock.sleep(10_000)
})

test('a record that one gave under another name is still waited for, and asked of whoever told of it as well', async () => {
  const { clock, exchange, took, said } = site()
  exchange.receive(a, listed('have', record('x')))
  exchange.receive(b, listed('have', record('x')))
  exchange.receive(b, record('rests on x'))
  await clock.sleep(150)
  exchange.receive(a, { ...record('x'), name: 'ready' })
  expect(took).toEqual(['x'])
  await clock.sleep(400)
  expect(said.map(({ to, message }) => [to, message.is])).toEqual([
    [a, 'ask'],
    [b, 'ask'],
  ])
  exchange.receive(b, record('x'))
  expect(took).toEqual(['x', 'x', 'rests on x'])
})

test('a record that came by a way of its own is waited for no longer', async () => {
  const { clock, exchange, took, hold } = site()
  exchange.receive(a, listed('have', record('x')))
  exchange.receive(a, clockWord)
  hold(record('x'))
  await clock.sleep(150)
  expect(took).toEqual(['clock'])
})

test('an answer that comes after its channel was replaced is taken in its turn', async () => {
  const { clock, exchange, took } = site()
  exchange.receive(a, listed('have', record('x')))
  await clock.sleep(150)
  exchange.connected(a)
  exchange.receive(a, listed('have', record('x')))
  exchange.receive(a, clockWord)
  exchange.receive(a, record('x'))
  expect(took).toEqual(['x', 'clock'])
})

test('of one that tells another of more than there can be, that other still gives what it has', () => {
  const { exchange, said, hold } = site()
  for (let n = 0; n < 16; n++) exchange.receive(a, { is: 'ask', objects: [...numbered(4096, n)] })
  hold(record('x'))
  exchange.receive(a, listed('ask', record('x')))
  expect(said.at(-1)?.text).toBe('x')
})

test('thousands of records that wait for one are taken in one after the other, and soon', async () => {
  const { clock, exchange, took } = site()
  const all = Array.from({ length: 3000 }, (_, n) => record(`${n}`))
  exchange.receive(a, listed('have', record('never')))
  for (let n = 0; n < all.length; n += 4) exchange.receive(a, listed('have', ...all.slice(n, n + 4)))
  await clock.sleep(150)
  for (const one of all) exchange.receive(a, one)
  expect(took).toEqual([])
  exchange.connected(a)
  expect(took.length).toBe(all.length)
})

test('a peer that tells without end of what it does not have is chased no more than so often', async () => {
  const { clock, exchange, said } = site()
  for (let n = 0; n < 6; n++) for (const one of numbered(1000, n)) exchange.receive(a, { is: 'have', objects: [one] })
  await clock.sleep(200)
  expect(said.length).toBeLessThanOrEqual(4096)
})

test('what a peer said is weighed by its bytes, and by the hashes in it', async () => {
  const { exchange, took } = site()
  exchange.receive(a, listed('have', record('never')))
  const want: PeerMessage = { is: 'want', objects: new Array<Uint8Array>(4096).fill(new Uint8Array(32)) }
  for (let n = 0; n < 40; n++) exchange.receive(a, want)
  expect(took.length).toBeGreaterThan(0)
  exchange.receive(b, listed('have', record('never')))
  const log: PeerMessage = { is: 'log', events: new Uint8Array(2 ** 23), checkpoint: few, ledger: few }
  const before = took.length
  for (let n = 0; n < 3; n++) exchange.receive(b, log)
  expect(took.length).toBe(before + 3)
})
