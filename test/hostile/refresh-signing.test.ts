import { expect, it } from 'vitest'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { signDefinition } from '../support/definition.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { approveAll, joinAs } from './ceremonies.ts'
import { caseOf, deadlines, heldAt, keyHolders, ownerOf, said } from './refreshes.ts'

const names = ['eu', 'us', 'ap'] as SiteId[]
const [eu, us] = names as [SiteId, SiteId]

/** A signature that begins before a refresh and waits on the wire until the old shares are destroyed. */
const signedAcross = async () => {
  const holders = await keyHolders(names)
  const world = await caseOf(holders, 'signing')
  const refresh = await holders.refresh()
  const message = utf8('pay nobody')
  const sign = await signDefinition({
    sites: refresh.sites,
    key: holders.key,
    base: holders.base,
    deadlines: { ...deadlines, round: 3600 },
    signers: [eu, us],
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
  await approveAll(world, names, refresh)
  await approveAll(world, [eu, us], sign)
  const other = { ...world, network: memoryNetwork({ clock: world.clock, random: seededRandom('other room') }) }
  const owners = new Map(await Promise.all(names.map(async (name) => [name, await ownerOf(world, name)] as const)))
  const site = (name: SiteId) => owners.get(name) ?? expect.fail()
  let refreshing: Promise<unknown> | undefined
  const refreshMeanwhile = async (): Promise<void> => {
    other.network.partition()
    await Promise.all(names.map((name) => joinAs(world, name, refresh, null, undefined, { site: site(name) })))
    other.network.heal()
  }
  const signing = Promise.all(
    [eu, us].map((name) =>
      joinAs(other, name, sign, message, undefined, {
        site: site(name),
        progress: ({ phase }) => {
          if (phase === 'round') refreshing ??= refreshMeanwhile()
        },
      }),
    ),
  )
  const signed = await signing
  await refreshing
  for (const name of names) expect(await heldAt(world, name)).toEqual(['1 retired', '2 installed'])
  return signed
}

it('no site signs with a share that it has said is destroyed', async () => {
  const codes = (await signedAcross()).map(said)
  expect(codes).toContain('E_SHARD')
  for (const code of codes) expect(['E_SHARD', 'E_PEER_SILENT']).toContain(code)
})
