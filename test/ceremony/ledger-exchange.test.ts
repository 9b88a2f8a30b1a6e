import { expect, it } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import type { Checkpoint } from '../../src/audit/log.ts'
import { ledgerOrigin } from '../../src/audit/note.ts'
import { LedgerExchange, type Peer } from '../../src/ceremony/peers/ledger-exchange.ts'
import { KnownHeads } from '../../src/ceremony/peers/ledger-heads.ts'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import type { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { memoryHome } from '../support/home.ts'

const us = 'us' as SiteId

it('asks a peer that leaves gaps once, however often it does, and goes on from its answer', async () => {
  const { home, disk } = await memoryHome('us')
  const { identity, keys } = home
  const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(identity), signer: keys.log })
  const grow = (): Promise<Checkpoint> => {
    ledger.append({ at: 0, what: 'created', ceremony: null, site: null, object: null })
    return ledger.barrier()
  }
  const peer = { member: { name: us, identity }, asked: undefined } as Peer
  const store = { keys: () => [keys.log.key], changed: () => undefined }
  const sent: PeerMessage[] = []
  const own = await memoryHome('eu')
  const peerHeads = new KnownHeads(
    await openLog({
      disk: own.disk,
      path: 'ledger',
      origin: ledgerOrigin(own.home.identity),
      signer: own.home.keys.log,
    }),
  )
  const exchange = new LedgerExchange(
    { store, site: { peerHeads } } as unknown as Ceremony,
    new Map([[us, peer]]),
    (_, message) => sent.push(message),
  )
  const show = ({ note, size }: Checkpoint, from: number, gap = false): void => {
    const proof = gap || from === 0 ? [] : ledger.consistency(from, size).map(fromHex)
    exchange.shown(us, { is: 'ledger', note: utf8(note), from, proof })
  }
  const first = await grow()
  show(first, 0)
  await grow()
  for (let times = 0; times < 100; times++) show(await grow(), ledger.size - 1, true)
  expect(sent).toEqual([{ is: 'remember', note: utf8(first.note) }])
  expect([peer.head, peer.rolledBack]).toEqual([first, undefined])
  const answer = await grow()
  show(answer, first.size)
  expect(peer.head).toEqual(answer)
  await grow()
  show(await grow(), ledger.size - 1, true)
  expect(sent.slice(1)).toEqual([{ is: 'remember', note: utf8(answer.note) }])
})

it('takes a head between its own and the newest one by a proof that it lies on the way, and none before its own', async () => {
  const { home, disk } = await memoryHome('us')
  const { identity, keys } = home
  const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(identity), signer: keys.log })
  const heads: Checkpoint[] = []
  for (let n = 0; n < 6; n++) {
    ledger.append({ at: n, what: 'created', ceremony: null, site: null, object: null })
    heads.push(await ledger.barrier())
  }
  const [first, second, , fourth, , last] = heads as [
    Checkpoint,
    Checkpoint,
    Checkpoint,
    Checkpoint,
    Checkpoint,
    Checkpoint,
  ]
  const own = await memoryHome('eu')
  const peerHeads = new KnownHeads(
    await openLog({
      disk: own.disk,
      path: 'ledger',
      origin: ledgerOrigin(own.home.identity),
      signer: own.home.keys.log,
    }),
  )
  const meets = (remembered: Checkpoint) => {
    const peer = { member: { name: us, identity }, remembered, asked: undefined } as unknown as Peer
    const store = { keys: () => [keys.log.key], changed: () => undefined }
    const site = { store, site: { peerHeads } } as unknown as Ceremony
    return { peer, exchange: new LedgerExchange(site, new Map([[us, peer]]), () => undefined) }
  }
  const backwards = (to: Checkpoint): PeerMessage & { is: 'ledger' } => ({
    is: 'ledger',
    note: utf8(to.note),
    from: last.size,
    proof: ledger.consistency(to.size, last.size).map(fromHex),
  })
  // Another ceremony was shown the last one.
  peerHeads.take(identity, last)
  const between = meets(second)
  between.exchange.shown(us, backwards(fourth))
  expect([between.peer.head, between.peer.rolledBack]).toEqual([fourth, undefined])
  expect(between.exchange.doubts(us, fourth)).toBe(false)
  expect(peerHeads.of(identity)).toEqual(last)
  const before = meets(second)
  before.exchange.shown(us, backwards(first))
  expect(before.peer.head).toBeUndefined()
  expect(before.exchange.doubts(us, first)).toBe(true)
  const forged = meets(second)
  forged.exchange.shown(us, { ...backwards(fourth), proof: backwards(second).proof })
  expect(forged.peer.head).toBeUndefined()
})
