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
