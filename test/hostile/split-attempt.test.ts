import { expect, it } from 'vitest'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { attemptCodec, helloCodec } from '../../src/records/attempt.ts'
import type { Codec } from '../../src/records/codec.ts'
import { decodeEnvelope } from '../../src/records/signed.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { memoryWorld } from '../support/memory-site.ts'
import { approveAll, joinAs, type Liar } from './ceremonies.ts'

const open = <T>(codec: Codec<T>, envelope: Uint8Array): T =>
  codec.decode(decodeEnvelope(envelope, codec.limit).payload)

it('gives an attempt up together where one signature of it reached only some', async () => {
  const sites = ['eu', 'us', 'ap'] as SiteId[]
  const [eu, us, ap] = sites as [SiteId, SiteId, SiteId]
  const world = await memoryWorld(sites)
  // A round's deadline is never met here: who began waits for the others' word alone.
  const keygen = await keygenDefinition({
    sites: await siteEntries(sites),
    deadlines: { gather: 3000, proposal: 4, round: 3000, close: 30 },
  })
  await approveAll(world, sites, keygen)
  let late = 0
  const slow = (site: SiteId): Liar => {
    const held: PeerMessage[] = []
    return {
      site,
      ceremony: undefined,
      post: (_topic, _to, bytes) => [bytes],
      talk(to, talk) {
        if (to !== eu || talk.is !== 'object') return [talk]
        if (talk.name === 'hello' && open(helloCodec, talk.bytes).sequence > 1) return [...held.splice(0), talk]
        if (talk.name !== 'attempt' || open(attemptCodec, talk.bytes).number > 1) return [talk]
        late += 1
        held.push(talk)
        return []
      },
    }
  }
  const joined = await Promise.all([
    joinAs(world, eu, keygen, null),
    joinAs(world, us, keygen, null, slow(us)),
    joinAs(world, ap, keygen, null, slow(ap)),
  ])
  expect(late).toBeGreaterThan(0)
  expect(joined.map(({ error, result }) => [error, result?.open])).toEqual(sites.map(() => [undefined, []]))
  const reasons = joined.map(({ progress }) =>
    progress.flatMap((one) => (one.phase === 'attempt-failed' ? [one.reason] : [])),
  )
  expect(reasons).toEqual([['not signed by us, ap'], ['eu gave this attempt up'], ['eu gave this attempt up']])
})
