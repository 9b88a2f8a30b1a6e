import { expect, it } from 'vitest'
import { readSignedMessage } from '../../src/ceremony/session/round-message.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { memoryWorld } from '../support/memory-site.ts'
import { approveAll, joinAs, type Liar } from './ceremonies.ts'

/** Headers of private messages stand in the confirmations. Where these never came, each log has them itself. */

const names = ['s1', 's2', 's3'] as SiteId[]
const [s1, , s3] = names as [SiteId, SiteId, SiteId]

it('a site that withholds its confirmation leaves the headers of all shares in the logs of the others', async () => {
  const world = await memoryWorld(names)
  const deadlines = { gather: 60, proposal: 5, round: 8, close: 5 }
  const definition = await keygenDefinition({ sites: await siteEntries(names), deadlines, attempts: 1 })
  await approveAll(world, names, definition)
  const silent: Liar = {
    site: s3,
    ceremony: undefined,
    talk: (_to, talk) => [talk],
    post: (_topic, _to, bytes) => (readSignedMessage(bytes).round.startsWith('confirm') ? [] : [bytes]),
  }
  const [first] = await Promise.all(
    names.map((name) => joinAs(world, name, definition, null, name === s3 ? silent : undefined)),
  )
  const log = first?.ceremony?.log ?? expect.fail()
  const events = [...log.replay()]
  expect(events.map(({ what }) => what)).toContain('failed')
  const posts = events.flatMap(({ what, object }) =>
    what === 'message' && object !== null ? readSignedMessage(log.body(object) ?? expect.fail()) : [],
  )
  const shares = posts.filter(({ round, to }) => round === 'shares' && to !== 0)
  expect(shares.filter(({ from }) => from === 1)).toHaveLength(2)
  expect(shares.filter(({ to }) => to === 1)).toHaveLength(2)
  expect(first?.site).toBe(s1)
})
