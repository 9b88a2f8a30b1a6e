import { setMaxListeners } from 'node:events'
import { expect, test } from 'vitest'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { RecordExchange } from '../../src/ceremony/peers/record-exchange.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { stillClock } from '../../src/rehearsal/still-clock.ts'
import { seededRandom } from '../support/random.ts'
import { many, report, SEED } from '../support/report.ts'

// Sites of which one or two lie send each other records that rest on one another, over links that are slow, are cut and
// come back. All honest sites must come to hold the same records, and none may be held back or refused for long.

type Body = Extract<PeerMessage, { is: 'object' }>
interface Link {
  readonly queue: (PeerMessage | 'connected')[]
  readonly delay: number
  busy: boolean
  /** Counts what was cut: it loses what was on its way. */
  cuts: number
}

/** So long a record may take from one honest site to another, some round trips included; a proposal deadline is five seconds. */
const SOON_MS = 2000

const play = async (seed: number) => {
  const random = seededRandom(`records ${seed}`)
  const roll = (below: number): number => ((random(2)[0] as number) * 256 + (random(1)[0] as number)) % below
  const pick = <T>(all: readonly T[]): T => all[roll(all.length)] as T
  const clock = stillClock()
  const over = new AbortController()
  setMaxListeners(0, over.signal)
  const names = ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, 3 + roll(4)) as SiteId[]
  const liars = new Set(names.slice(names.length - (names.length > 4 ? 1 + roll(2) : 1)))
  const honest = names.filter((name) => !liars.has(name))
  const links = new Map(
    names.flatMap((from) =>
      names.map((to) => {
        const link: Link = { queue: [], delay: 10 * (1 + roll(10)), busy: false, cuts: 0 }
        return [`${from} ${to}`, link] as const
      }),
    ),
  )
  const linkOf = (from: SiteId, to: SiteId): Link => links.get(`${from} ${to}`) as Link
  const made: Body[] = []
  /** When an honest site first had a record. */
  const firstHeld = new Map<Hash, number>()
  const late: string[] = []
  let quietSince = 0
  const took = (name: SiteId, hash: Hash): void => {
    if (liars.has(name)) return
    const since = firstHeld.get(hash) ?? clock.monotonic()
    firstHeld.set(hash, since)
    const waited = clock.monotonic() - Math.max(since, quietSince)
    if (waited > SOON_MS) late.push(`${hash.slice(0, 8)} at ${name} after ${waited}`)
  }

  const deliver = async (from: SiteId, to: SiteId): Promise<void> => {
    const link = linkOf(from, to)
    if (link.busy) return
    link.busy = true
    while (link.queue.length > 0) {
      const { cuts } = link
      await clock.sleep(link.delay)
      // What was said in between came along.
      for (const message of cuts === link.cuts ? link.queue.splice(0) : [])
        if (message === 'connected') sites.get(to)?.connected(from)
        else sites.get(to)?.receive(from, message)
    }
    link.busy = false
  }
  const send = (from: SiteId, to: SiteId, message: PeerMessage | 'connected'): void => {
    linkOf(from, to).queue.push(message)
    void deliver(from, to)
  }

  const authorOf = ({ bytes }: Body): SiteId => new TextDecoder().decode(bytes).split(' ')[0] as SiteId
  const restsOn = ({ bytes }: Body): readonly Hash[] => new TextDecoder().decode(bytes).split(' ').slice(2) as Hash[]
  const site = (name: SiteId) => {
    const others = names.filter((one) => one !== name)
    const held = new Map<Hash, Body>()
    const met = new Set<SiteId>(others)
    const exchange: RecordExchange = new RecordExchange(others, {
      clock,
      over: over.signal,
      send: (to, message) => say(to, message),
      handle(from, message) {
        if (message.is !== 'object' || message.name !== 'approval') return message.is !== 'object'
        const hash = hashOf(message.bytes)
        if (held.has(hash)) return true
        if (restsOn(message).some((one) => !held.has(one))) return false
        held.set(hash, message)
        const author = authorOf(message)
        took(name, hash)
        for (const to of met) if (to !== from && to !== author) exchange.offer(to, hash)
        return true
      },
      find: (hash) => held.get(hash),
      roundTrip: () => 0,
    })
    const say = (to: SiteId, message: PeerMessage): void => {
      if (message.is === 'object') exchange.sending(to, message)
      send(name, to, message)
    }
    const lies = (from: SiteId, message: PeerMessage): void => {
      if (message.is !== 'ask' && roll(2) === 0) {
        exchange.receive(from, message)
        return
      }
      if (message.is === 'have' && roll(2) === 0) send(name, pick(others), message)
      if (message.is !== 'ask') return
      const answered = made.filter(({ bytes }) =>
        message.objects.some((raw) => Buffer.compare(raw, fromHex(hashOf(bytes))) === 0),
      )
      const how = roll(4)
      if (how === 0) exchange.receive(from, message)
      if (how === 1) for (const body of answered) send(name, from, { ...body, name: pick(['ready', 'certificate']) })
      if (how === 2) send(name, from, { is: 'gone', objects: message.objects })
    }
    return {
      name,
      held,
      receive: (from: SiteId, message: PeerMessage) =>
        liars.has(name) ? lies(from, message) : exchange.receive(from, message),
      publish(to: readonly SiteId[]): void {
        const rests = held.size === 0 ? [] : [pick([...held.keys()])]
        const body: Body = { is: 'object', name: 'approval', bytes: utf8([name, made.length, ...rests].join(' ')) }
        made.push(body)
        held.set(hashOf(body.bytes), body)
        took(name, hashOf(body.bytes))
        for (const one of to) if (met.has(one)) say(one, body)
        // A liar tells of it where it does not send it, and is then asked before anybody else.
        for (const one of others)
          if (liars.has(name) && !to.includes(one))
            send(name, one, { is: 'have', objects: [fromHex(hashOf(body.bytes))] })
      },
      lie(): void {
        const to = pick(others)
        const some = made.filter(() => roll(3) === 0).map(({ bytes }) => fromHex(hashOf(bytes)))
        const fake = random(32)
        const is = pick(['have', 'have', 'gone', 'ask'] as const)
        send(name, to, { is, objects: roll(2) === 0 ? [fake, ...some] : [...some, fake] })
        if (made.length > 0 && roll(2) === 0) send(name, to, { ...pick(made), name: pick(['approval', 'ready']) })
      },
      lost: (peer: SiteId) => met.delete(peer),
      connected(peer: SiteId): void {
        if (liars.has(name) && roll(2) === 0) return
        met.add(peer)
        exchange.connected(peer)
        for (const [hash, body] of held)
          if (authorOf(body) !== name) exchange.offer(peer, hash)
          else if (!exchange.isAt(peer, hash)) say(peer, body)
      },
    }
  }
  const sites = new Map(names.map((name) => [name, site(name)]))

  /** One end sees the new channel first; the other sees it before anything that is said over it. */
  const reconnect = (one: SiteId, other: SiteId, loses: boolean): void => {
    for (const link of loses ? [linkOf(one, other), linkOf(other, one)] : []) {
      link.queue.length = 0
      link.cuts += 1
    }
    send(one, other, 'connected')
    sites.get(one)?.connected(other)
    if (loses) sites.get(other)?.lost(one)
    quietSince = clock.monotonic() + 500
  }

  for (let step = 0; step < 40; step++) {
    const one = pick(names)
    const what = roll(10)
    if (liars.has(one)) {
      if (what < 5) sites.get(one)?.publish(names.filter((to) => to !== one && roll(2) === 0))
      else if (what < 9) sites.get(one)?.lie()
      else reconnect(one, pick(honest), roll(2) === 0)
    } else if (what < 6) sites.get(one)?.publish(names.filter((to) => to !== one))
    else if (what === 6 && honest.length > 1) reconnect(one, pick(honest.filter((to) => to !== one)), roll(2) === 0)
    await clock.sleep(10 * roll(30))
  }
  // Liars' own words may wait their time out first.
  await clock.sleep(15_000)
  over.abort()
  clock.stop()
  const all = new Set(honest.flatMap((name) => [...(sites.get(name)?.held.keys() ?? [])]))
  const lacking = honest.flatMap((name) =>
    [...all]
      .filter((hash) => sites.get(name)?.held.has(hash) !== true)
      .map((hash) => {
        const body = made.find(({ bytes }) => hashOf(bytes) === hash) as Body
        return `${name} lacks one of ${authorOf(body)}`
      }),
  )
  return { lacking, late, records: all.size }
}

test('every record that one honest site holds reaches the others soon, whatever one or two sites lie', async () => {
  const runs = many(12, 200, 1500)
  let records = 0
  for (let n = 0; n < runs; n++) {
    const seed = SEED + n
    const found = await play(seed)
    records += found.records
    expect(found, `QUORATE_SEED=${seed}`).toMatchObject({ lacking: [], late: [] })
  }
  expect(records).toBeGreaterThan(10 * runs)
  report(`${records} records in ${runs} plays reached every honest site`)
})
