import { afterEach, describe, expect, it, vi } from 'vitest'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import type { Secret } from '../../src/lib/secret.ts'
import { messageCodec } from '../../src/records/round.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { memoryKms } from '../support/kms.ts'
import { approveIn, memoryWorld, startJoin } from '../support/memory-site.ts'

/** What a key generation leaves behind in the buffers that it had. */

const made = vi.hoisted(() => ({ shares: [] as unknown[] }))
vi.mock('../../src/mpc/registry.ts', async (original) => {
  const real = await original<typeof import('../../src/mpc/registry.ts')>()
  return {
    ...real,
    loadScheme: async (...args: Parameters<typeof real.loadScheme>) => {
      const protocols = await real.loadScheme(...args)
      const run: typeof protocols.keygen.run = async (...given) => {
        const output = await protocols.keygen.run(...given)
        made.shares.push(output.share)
        return output
      }
      return { ...protocols, keygen: { ...protocols.keygen, run } }
    },
  }
})

const send = Peers.prototype.sendInSession
afterEach(() => {
  Peers.prototype.sendInSession = send
  made.shares.length = 0
})

/** Joins of all; the very buffers of private messages that their sessions sent. */
const run = async (changes: Partial<Site>) => {
  const sent: Uint8Array[] = []
  Peers.prototype.sendInSession = function (this: Peers, ...given: Parameters<typeof send>): void {
    const [, , bytes] = given
    const [, , payload, salt] = messageCodec.decode(bytes)
    if (payload.length > 0 && salt.length > 0) sent.push(bytes)
    send.apply(this, given)
  }
  const names = ['eu', 'us', 'ap']
  const world = await memoryWorld(names)
  const definition = await keygenDefinition({ sites: await siteEntries(names) })
  for (const name of names) await approveIn(world, name, definition)
  const joins = await Promise.all(names.map((name) => startJoin(world, name, definition, null, changes)))
  return { sent, endings: await Promise.allSettled(joins.map(({ done }) => done)) }
}

const leftover = (sent: readonly Uint8Array[]): number => sent.filter((bytes) => bytes.some((one) => one !== 0)).length
const usable = (): number =>
  made.shares.filter((share) => {
    try {
      return (share as Secret).reveal().length > 0
    } catch {
      return false
    }
  }).length

describe('a key generation', () => {
  it('leaves nothing of the shares that were sent, or of the one that was made', async () => {
    const { sent, endings } = await run({})
    expect(endings.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    expect([sent.length, made.shares.length]).toEqual([6, 3])
    expect([leftover(sent), usable()]).toEqual([0, 0])
  })

  it('leaves nothing of them where no share could be sealed', async () => {
    const denied = new QuorateError('E_KMS_DENIED', 'the KMS wraps nothing', 'allow it')
    // The KMS still works when preflight asks it.
    const kms: Site['kms'] = async () => {
      const real = memoryKms('eu')
      return { ...real, wrap: (...given) => (made.shares.length === 0 ? real.wrap(...given) : Promise.reject(denied)) }
    }
    const { sent, endings } = await run({ kms })
    expect(endings.some((one) => one.status === 'rejected' && one.reason === denied)).toBe(true)
    expect(made.shares).toHaveLength(3)
    expect([leftover(sent), usable()]).toEqual([0, 0])
  })
})
