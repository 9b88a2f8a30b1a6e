import { expect, it } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import { ceremonyOrigin } from '../../src/audit/note.ts'
import { logPath } from '../../src/ceremony/paths.ts'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import type { Session } from '../../src/ceremony/session/session.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, memorySite, memoryWorld, startJoin } from '../support/memory-site.ts'

it('a site that gets a proof while it writes the record gives no vote for it', async () => {
  const names = ['eu', 'us', 'ap']
  const world = await memoryWorld(names)
  const deadlines = { gather: 5, proposal: 1, round: 2, close: 1 }
  const definition = await keygenDefinition({ sites: await siteEntries(names), attempts: 1, deadlines })
  for (const name of names) await approveIn(world, name, definition)

  let session: Session | undefined
  const { shards } = await memorySite(world, 'eu')
  const proof = new QuorateError('E_PEER_EQUIVOCATED', 'ap sent two messages for one place', 'look into ap')
  const late: typeof shards = {
    ...shards,
    async keepRecord(...given) {
      await shards.keepRecord(...given)
      session?.fail(proof)
    },
  }
  const join = Peers.prototype.attachSession
  Peers.prototype.attachSession = function (this: Peers, topic, joined) {
    if (!this.bySite.has('eu' as SiteId)) session = joined
    join.call(this, topic, joined)
  }
  const eu = await startJoin(world, 'eu', definition, null, { shards: late })
  const others = await Promise.all(['us', 'ap'].map((name) => startJoin(world, name, definition)))
  await expect(eu.done).rejects.toBe(proof)
  await Promise.allSettled(others.map(({ done }) => done))
  Peers.prototype.attachSession = join

  const { home, disk } = world.homes.get('eu') ?? expect.fail()
  const id = ceremonyId(definition)
  const origin = ceremonyOrigin(id, home.identity)
  const log = await openLog({ disk, path: logPath(id), origin, signer: home.keys.log })
  expect(session).toBeDefined()
  expect([...log.replay()].filter(({ what, site }) => what === 'ready' && site === 'eu')).toEqual([])
})
