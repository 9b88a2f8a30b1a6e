import { expect, it } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import type { Checkpoint } from '../../src/audit/log.ts'
import { ledgerOrigin } from '../../src/audit/note.ts'
import { LedgerExchange, type Peer } from '../../src/ceremony/peers/ledger-exchange.ts'
import { KnownHeads } from '../../src/ceremony/peers/ledger-heads.ts'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import type { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { fromHex, toBase64, utf8 } from '../../src/lib/bytes.ts'
import { keygenDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'

const us = 'us' as SiteId

/** The site us, whose ledger grows at each call. */
const grower = async () => {
  const { home, disk } = await memoryHome('us')
  const { identity, keys } = home
  const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(identity), signer: keys.log })
  const grow = (): Promise<Checkpoint> => {
    ledger.append({ at: 0, what: 'created', ceremony: null, site: null, object: null })
    return ledger.barrier()
  }
  return { identity, keys, ledger, grow }
}

/** What another home knows of it, and the exchanges of its ceremonies. */
const knower = async ({ identity, keys }: Pick<Awaited<ReturnType<typeof grower>>, 'identity' | 'keys'>) => {
  const { home, disk } = await memoryHome('eu')
  const place = { disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer: home.keys.log }
  const peerHeads = new KnownHeads(await openLog(place))
  const definition = await keygenDefinition()
  const meets = (remembered: Checkpoint | undefined) => {
    const peer = { member: { name: us, identity }, remembered, generation: 0, asked: undefined } as unknown as Peer
    const store = { keys: () => [keys.log.key], changed: () => undefined }
    const sent: PeerMessage[] = []
    const authority = { hash: 'ab'.repeat(32), definition }
    const ceremony = { store, site: { peerHeads }, authority } as unknown as Ceremony
    const exchange = new LedgerExchange(ceremony, new Map([[us, peer]]), (_, message) => sent.push(message))
    return { peer, exchange, sent }
  }
  return { peerHeads, meets }
}

it('asks a peer that leaves gaps once, however often it does, and goes on from its answer', async () => {
  const site = await grower()
  const { ledger, grow } = site
  const { peer, exchange, sent } = (await knower(site)).meets(undefined)
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
  const site = await grower()
  const { identity, ledger, grow } = site
  const { peerHeads, meets } = await knower(site)
  const heads: Checkpoint[] = []
  while (heads.length < 4) heads.push(await grow())
  const [first, second, third, last] = heads as [Checkpoint, Checkpoint, Checkpoint, Checkpoint]
  const backwards = (to: Checkpoint): PeerMessage & { is: 'ledger' } => ({
    is: 'ledger',
    note: utf8(to.note),
    from: last.size,
    proof: ledger.consistency(to.size, last.size).map(fromHex),
  })
  // Another ceremony was shown the last one.
  peerHeads.take(identity, last)
  const between = meets(second)
  between.exchange.shown(us, backwards(third))
  expect([between.peer.head, between.peer.rolledBack]).toEqual([third, undefined])
  expect(between.exchange.doubts(us, third)).toBe(false)
  expect(peerHeads.of(identity)).toEqual(last)
  const before = meets(second)
  before.exchange.shown(us, backwards(first))
  expect(before.peer.head).toBeUndefined()
  expect(before.exchange.doubts(us, first)).toBe(true)
  const forged = meets(second)
  forged.exchange.shown(us, { ...backwards(third), proof: backwards(second).proof })
  expect(forged.peer.head).toBeUndefined()
})

it('takes no head of the chain from before a readmission any more, in a ceremony that runs too', async () => {
  const site = await grower()
  const { ledger, grow, identity } = site
  const { peerHeads, meets } = await knower(site)
  const { peer, exchange } = meets(undefined)
  const show = ({ note }: Checkpoint, from: Checkpoint | undefined, size: number): void => {
    const proof = from === undefined ? [] : ledger.consistency(from.size, size).map(fromHex)
    exchange.shown(us, { is: 'ledger', note: utf8(note), from: from?.size ?? 0, proof })
  }
  const first = await grow()
  show(first, undefined, first.size)
  expect([peer.head, exchange.doubts(us, first)]).toEqual([first, false])
  const { ledger: forked, grow: growOther } = await grower()
  forked.append({ at: 1, what: 'resumed', ceremony: null, site: null, object: null })
  const other = await growOther()
  const key = 'cd'.repeat(32) as Hash
  const chain = { identity, key, head: toBase64(utf8(other.note)), before: toBase64(utf8(first.note)), owed: [key] }
  peerHeads.readmit('ef'.repeat(32) as Hash, chain)
  expect([exchange.isOnChain(peer), exchange.mayRemember(peer), exchange.doubts(us, first)]).toEqual([
    false,
    false,
    true,
  ])
  // The same head again, and one that goes on from it.
  show(first, undefined, first.size)
  const second = await grow()
  show(second, first, second.size)
  expect(exchange.isOnChain(peer)).toBe(false)
  expect(peerHeads.of(identity)?.root).toBe(other.root)
  expect(peerHeads.refusedFor(identity, key)?.root).toBe(first.root)
})
