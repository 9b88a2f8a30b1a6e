import { beforeAll, describe, expect, it } from 'vitest'
import type { Site } from '../../src/ceremony/ports.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import { receiversIn } from '../../src/records/definition.ts'
import type { KmsSlot, SiteEntry } from '../../src/records/definition-fields.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import { keygenDefinition, refreshDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { kmsOf } from '../support/kms.ts'
import { approveIn, copyWorld, type MemoryWorld, memoryWorld, startJoin } from '../support/memory-site.ts'
import { newestAt, recordHashOf } from '../support/reshares.ts'
import { moveCard, rewrapOf } from '../support/rewraps.ts'

const names = ['eu', 'us', 'ap']
const keys = ['/keys/eu.key', '/keys/eu-2.key', '/keys/eu-3.key']
const deadlines = { gather: 60, proposal: 5, round: 20, close: 10 }
const message = utf8('pay the supplier\n')

/** KMS keys of eu that cannot be opened, or that open and answer nobody. */
interface Gone {
  readonly closed?: readonly string[]
  readonly silent?: readonly string[]
}

const gone = (key: string): QuorateError =>
  new QuorateError('E_KMS_UNAVAILABLE', `the KMS key ${key} cannot be reached`, 'look at the network')

const kmsWithout =
  ({ closed = [], silent = [] }: Gone): Site['kms'] =>
  async (slot: KmsSlot) => {
    if (closed.includes(slot.key)) throw gone(slot.key)
    const kms = kmsOf('eu', slot)
    if (!silent.includes(slot.key)) return kms
    const refuses = () => Promise.reject(gone(slot.key))
    return { ...kms, wrap: refuses, unwrap: refuses }
  }

const run = async (world: MemoryWorld, who: readonly string[], definition: Definition, without: Gone = {}) => {
  const text = definition.kind === 'sign' ? message : null
  const runs = await Promise.all(
    who.map((name) => startJoin(world, name, definition, text, name === 'eu' ? { kms: kmsWithout(without) } : {})),
  )
  // Whoever cannot join is not waited for.
  const ends = await Promise.allSettled(
    runs.map(async ({ done, stop }) => {
      try {
        return (await done).state
      } catch (error) {
        for (const other of runs) if (other.stop !== stop) other.stop.abort()
        throw error
      }
    }),
  )
  return { ends, said: runs[0]?.events ?? [] }
}

const signing = async (world: MemoryWorld, made: Definition, nonce: string) => {
  const base = await newestAt(world, 'us')
  const definition = await signDefinition({
    sites: [...receiversIn(made)],
    threshold: made.threshold,
    sealing: 'two-of-three',
    key: base.key,
    base: recordHashOf(base),
    nonce: hashOf(utf8(nonce)).slice(0, 32),
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    signers: ['eu', 'us'] as never,
    deadlines,
  })
  for (const name of ['eu', 'us']) await approveIn(world, name, definition)
  return definition
}

const fulfilled = (...states: readonly string[]) => states.map((value) => ({ status: 'fulfilled', value }))

const threeKeys = keys.map((key) => ({ provider: 'local', key }))

describe('a site whose shard lies under three keys', () => {
  let made: MemoryWorld
  let keygen: KeygenDefinition
  beforeAll(async () => {
    made = await memoryWorld(names)
    await moveCard(made, 'eu', ...keys)
    const sites: SiteEntry[] = (await siteEntries(names)).map((site) =>
      site.name === 'eu' ? { ...site, kms: threeKeys } : site,
    )
    keygen = await keygenDefinition({ sites, sealing: 'two-of-three', deadlines })
    for (const name of names) await approveIn(made, name, keygen)
    const { ends, said } = await run(made, names, keygen)
    expect(ends).toEqual(fulfilled('closed', 'closed', 'closed'))
    expect(said.find(({ phase }) => phase === 'preflight')).toMatchObject({
      checks: ['clock', 'disk', 'kms', 'relay'],
    })
  })

  it('has them in its envelope, and says the rule there', async () => {
    const { core } = await newestAt(made, 'eu')
    expect(core.access).toBe('two-of-three')
    expect((await newestAt(made, 'us')).core.access).toBe('one-key')
  })

  it('signs without any one of them, and says which one is gone', async () => {
    for (const [n, key] of keys.entries()) {
      const world = await copyWorld(made, `without ${n}`)
      const without: Gone = n === 1 ? { closed: [key] } : { silent: [key] }
      const { ends, said } = await run(world, ['eu', 'us'], await signing(world, keygen, key), without)
      expect(ends).toEqual(fulfilled('closed', 'closed'))
      expect(said.filter(({ phase }) => phase === 'kms')).toEqual([
        { phase: 'kms', key: `local:${n === 1 ? '' : '/memory/'}${n === 0 ? 'eu' : key}`, why: gone(key).message },
      ])
      expect(said.find(({ phase }) => phase === 'preflight')).toMatchObject({
        checks: ['clock', 'disk', 'kms 2 of 3', 'share', 'relay'],
      })
    }
  })

  it('does not sign without two of them, and meets nobody', async () => {
    const world = await copyWorld(made, 'without two')
    const { ends, said } = await run(world, ['eu', 'us'], await signing(world, keygen, 'two'), {
      closed: keys.slice(0, 1),
      silent: keys.slice(2),
    })
    expect(ends[0]).toMatchObject({ status: 'rejected', reason: { code: 'E_KMS_UNAVAILABLE' } })
    expect(said.map(({ phase }) => phase)).toEqual(['join'])
  })

  it('seals no new share without one of them, and meets nobody', async () => {
    const world = await copyWorld(made, 'refresh')
    const base = await newestAt(world, 'eu')
    const definition = await refreshDefinition({
      sites: [...keygen.sites],
      sealing: 'two-of-three',
      key: base.key,
      base: recordHashOf(base),
      deadlines,
    })
    for (const name of names) await approveIn(world, name, definition)
    const { ends } = await run(world, ['eu'], definition, { silent: keys.slice(1, 2) })
    expect(ends).toMatchObject([{ status: 'rejected', reason: gone(keys[1] as string) }])
    expect((await run(world, names, definition)).ends).toEqual(fulfilled('closed', 'closed', 'closed'))
    expect((await newestAt(world, 'eu')).core).toMatchObject({ access: 'two-of-three', epoch: 2 })
  })

  it('goes back to one key, when two of the three are left', async () => {
    const world = await copyWorld(made, 'to one')
    await moveCard(world, 'eu', '/keys/eu-4.key')
    const definition = await rewrapOf(world, keygen, 'eu', threeKeys, { deadlines })
    await approveIn(world, 'eu', definition)
    const { ends } = await run(world, names, definition, { closed: keys.slice(0, 1) })
    expect(ends).toEqual(fulfilled('closed', 'closed', 'closed'))
    expect((await newestAt(world, 'eu')).core.access).toBe('one-key')
  })
})

describe('a site that goes over from one key to three', () => {
  it('opens its share by any two of them from then on, and asks for the old key no more', async () => {
    const world = await memoryWorld(names)
    const keygen = await keygenDefinition({ sites: await siteEntries(names), deadlines })
    for (const name of names) await approveIn(world, name, keygen)
    await run(world, names, keygen)
    const more = [...keys.slice(1), '/keys/eu-4.key']
    await moveCard(world, 'eu', ...more)
    const from = keygen.sites[0]?.kms ?? []
    const definition = await rewrapOf(world, keygen, 'eu', from, { sealing: 'two-of-three', deadlines })
    await approveIn(world, 'eu', definition)
    // Each of the new ones has to be there, and so has the old one.
    for (const key of [...keys.slice(0, 1), ...more]) {
      const { ends } = await run(await copyWorld(world, `lacking ${key}`), ['eu'], definition, { silent: [key] })
      expect(ends, key).toMatchObject([{ status: 'rejected', reason: { code: 'E_KMS_UNAVAILABLE' } }])
    }
    expect((await run(world, names, definition)).ends).toEqual(fulfilled('closed', 'closed', 'closed'))
    const { core } = await newestAt(world, 'eu')
    expect(core.access).toBe('two-of-three')
    const sites = definition.sites
    for (const key of more) {
      const lacking = await copyWorld(world, `after, without ${key}`)
      const sign = await signing(lacking, { ...keygen, sites }, key)
      const { ends } = await run(lacking, ['eu', 'us'], sign, { closed: [key], silent: keys.slice(0, 1) })
      expect(ends, key).toEqual(fulfilled('closed', 'closed'))
    }
  })
})
