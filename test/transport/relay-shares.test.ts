import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { FairQueue } from '../../src/transport/relay/fair-queue.ts'
import { addressOf, networkOf } from '../../src/transport/relay/network.ts'
import { Shares } from '../../src/transport/relay/shares.ts'

describe('fair shares', () => {
  test('the largest of the largest gives way, and nobody below his share', () => {
    const shares = new Shares<string>()
    const hold = (name: string, path: readonly string[], amount: number) => {
      const stake = shares.stake(name, path)
      stake.add(amount)
      return stake
    }
    hold('one big', ['net 1', 'a'], 50)
    // Two of an identity hold more than one, and its network more than the other.
    const first = hold('older', ['net 2', 'b'], 20)
    const second = hold('newer', ['net 2', 'b'], 20)
    hold('beside', ['net 2', 'c'], 31)
    expect([shares.held, shares.heldBy('net 2'), shares.heldBy('net 3')]).toEqual([121, 71, 0])
    expect(shares.largest()).toBe('older')
    second.add(1)
    expect(shares.largest()).toBe('newer')
    second.end()
    second.add(-21)
    expect(shares.largest()).toBe('beside')
    first.move(['net 1', 'd'])
    expect([shares.held, shares.heldBy('net 1'), shares.largest()]).toEqual([101, 70, 'one big'])
  })

  test('is reclaimed until there is place again, also where somebody keeps what he should give', () => {
    const shares = new Shares<number>()
    const stakes = [5, 40, 30].map((amount, n) => {
      const stake = shares.stake(n, [`net ${n}`])
      stake.add(amount)
      return stake
    })
    const gone: number[] = []
    shares.reclaim(10, (n) => {
      gone.push(n)
      stakes[n]?.end()
    })
    expect([gone, shares.held]).toEqual([[1, 2], 5])
    shares.reclaim(1, (n) => gone.push(n))
    expect(gone).toEqual([1, 2, 0])
    stakes[0]?.end()
    expect([shares.held, shares.largest()]).toEqual([0, undefined])
  })
})

describe('whose an address is', () => {
  test('an IPv4 address is its own, an IPv6 one its /64', () => {
    const same = [
      ['192.0.2.1', '192.0.2.1'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['2001:db8::1', '2001:db8:0:0::/64'],
      ['2001:0DB8:0:0:ffff:1:2:3', '2001:db8:0:0::/64'],
      ['2001:db8:0:1::', '2001:db8:0:1::/64'],
      ['fe80::1%eth0', 'fe80:0:0:0::/64'],
      ['::1', '::1'],
      ['not an address', ''],
    ] as const
    for (const [address, network] of same) expect([address, networkOf(address)]).toEqual([address, network])
  })

  test("the proxy's own word counts, and only where a proxy was named", () => {
    const asked = (header?: string | string[]): IncomingMessage =>
      ({ headers: { 'x-forwarded-for': header }, socket: { remoteAddress: '10.0.0.1' } }) as unknown as IncomingMessage
    expect(addressOf(asked('192.0.2.1, 192.0.2.2'), true)).toBe('192.0.2.2')
    expect(addressOf(asked(['192.0.2.1', '192.0.2.3']), true)).toBe('192.0.2.3')
    expect(addressOf(asked('192.0.2.1, 192.0.2.4:5678'), true)).toBe('192.0.2.4')
    expect(addressOf(asked('[2001:db8::1]:5678'), true)).toBe('2001:db8::1')
    expect(addressOf(asked('2001:db8::1'), true)).toBe('2001:db8::1')
    expect(addressOf(asked(), true)).toBe('10.0.0.1')
    expect(addressOf(asked('192.0.2.1'), false)).toBe('10.0.0.1')
  })
})

describe('work of several owners', () => {
  test('is done in turns, whoever asked for much', async () => {
    const turns = new FairQueue(1)
    const done: string[] = []
    const ask = (owner: string, n: number): void =>
      turns.later(owner, () => {
        done.push(`${owner}${n}`)
        return true
      })
    for (let n = 0; n < 5; n += 1) ask('x', n)
    for (let n = 0; n < 2; n += 1) ask('a', n)
    ask('b', 0)
    while (turns.waiting > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(done).toEqual(['x0', 'a0', 'b0', 'x1', 'a1', 'x2', 'x3', 'x4'])
  })
})
