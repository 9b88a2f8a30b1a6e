import { expect, it } from 'vitest'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import type { Progress } from '../../src/ceremony/progress.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { memorySite, memoryWorld } from '../support/memory-site.ts'
import { approveAll, joinAs } from './ceremonies.ts'

it('seats a site last that came back in the middle of an attempt', async () => {
  const sites = ['eu', 'us', 'ap'] as SiteId[]
  const [eu, us, ap] = sites as [SiteId, SiteId, SiteId]
  const world = await memoryWorld(sites)
  const keygen = await keygenDefinition({ sites: await siteEntries(sites) })
  await approveAll(world, sites, keygen)
  const [made] = await Promise.all(sites.map((name) => joinAs(world, name, keygen, null)))
  const [epoch] = await shardStore((world.homes.get(us) ?? expect.fail()).disk).list()
  const message = utf8('pay nobody')
  const sign = await signDefinition({
    sites: keygen.sites,
    key: made?.result?.key?.id as Hash,
    base: hashOf(recordCodec.encode(epoch?.record ?? expect.fail())),
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    attempts: 4,
    deadlines: { gather: 120, proposal: 30, round: 600, close: 10 },
  })
  await approveAll(world, sites, sign)

  const join = async (name: SiteId, progress: (event: Progress) => void, signal = new AbortController().signal) =>
    joinCeremony(await memorySite(world, name), sign, { progress, signal, message, check: false })

  const seats: (readonly SiteId[])[] = []
  let [begin, meet] = [() => {}, () => {}]
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const apHere = new Promise<void>((resolve) => {
    meet = resolve
  })
  const first = join(eu, (event) => {
    if (event.phase === 'attempt') {
      seats.push(event.sites)
      begin()
    }
    if (event.phase === 'gather' && event.site === ap && event.state.includes('connected')) meet()
  })
  // Stops as soon as a round begins, and joins again under another message key: else a signer as good as any.
  const returning = async (): Promise<void> => {
    for (let back = 0; back < sign.attempts; back++) {
      const stop = new AbortController()
      const stopped = join(
        us,
        ({ phase }) => {
          if (phase === 'round') stop.abort(new QuorateError('E_STOPPED', 'stopped', 'join again'))
        },
        stop.signal,
      )
      await stopped.catch(() => undefined)
      await apHere
    }
  }
  const coming = returning()
  await begun
  const honest = await Promise.all([first, join(ap, () => undefined)])
  expect(honest.map(({ signers }) => signers)).toEqual([
    [eu, ap],
    [eu, ap],
  ])
  // It may propose in its own turn; eu asks it once.
  expect(seats.length).toBeLessThanOrEqual(4)
  expect([seats[0], seats.at(-1)]).toEqual([
    [eu, us],
    [eu, ap],
  ])
  await coming
})
