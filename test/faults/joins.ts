import { expect } from 'vitest'
import type { Progress } from '../../src/ceremony/progress.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { stillClock } from '../../src/rehearsal/still-clock.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import { type Ending, startProcess } from './process.ts'
import { approveOn, copyOf, filesIn, newHome } from './world.ts'

export const names = ['eu', 'us', 'ap']
const signers = ['eu', 'ap']
const message = utf8('pay nobody')
type Files = ReadonlyMap<string, Uint8Array>
type Disks = ReadonlyMap<string, SimDisk>

const fresh = new Map<string, Files>()
const made = new Map<string, Files>()
let key: { readonly id: Hash; readonly base: Hash }
let nonces = 0

/** A definition that no other run has: a room, and notes, of its own. */
const nonceOf = (): string => (nonces++).toString(16).padStart(32, '0')
export const keygenOf = (changes: Partial<KeygenDefinition>): Promise<KeygenDefinition> =>
  keygenDefinition({ nonce: nonceOf(), ...changes })
export const signOf = (changes: Partial<KeygenDefinition>): Promise<Definition> =>
  signDefinition({
    nonce: nonceOf(),
    key: key.id,
    base: key.base,
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    ...(changes as object),
  })

export const approvedDisks = async (kind: 'keygen' | 'sign', definition: Definition): Promise<Disks> => {
  const disks = new Map<string, SimDisk>()
  for (const name of kind === 'keygen' ? names : signers) {
    const disk = await copyOf((kind === 'keygen' ? fresh : made).get(name) as Files, 1)
    await approveOn(disk, name, definition)
    disks.set(name, disk)
  }
  return disks
}

export interface Told {
  readonly endings: readonly Ending[]
  /** Attempts that each site signed. */
  readonly attempts: readonly number[]
  readonly story: readonly string[]
}

export const joinAll = async (
  disks: Disks,
  definition: Definition,
  options: Partial<Parameters<typeof startProcess>[0]> = {},
): Promise<Told> => {
  const events = new Map<string, Progress[]>()
  const endings = await Promise.all(
    [...disks].map(([name, disk]) => {
      const told: Progress[] = []
      events.set(name, told)
      const given = definition.kind === 'sign' ? message : null
      const progress = (event: Progress): void => {
        told.push(event)
      }
      return startProcess({ name, disk, definition, message: given, progress, ...options }).ended
    }),
  )
  return {
    endings,
    attempts: [...events.values()].map((told) => told.filter(({ phase }) => phase === 'attempt').length),
    story: endings.map((one) => (one.is === 'failed' ? `${one.error.code} ${one.error.message}` : one.is)),
  }
}

export const openPoints = ({ endings }: Told): readonly string[] =>
  endings.flatMap((one) => (one.is === 'closed' ? one.result.open : ['not closed']))

/** An end at a deadline says who was missing, or what is open. */
export const namesMissing = (ending: Ending): boolean => {
  if (ending.is === 'closed') return true
  if (ending.is !== 'failed') return false
  const { code, exit, details, message: text } = ending.error
  const listed = (details['missing'] ?? details['absent'] ?? details['waiting']) as readonly SiteId[] | undefined
  if (code === 'E_RELAY') return exit === 5
  if (code === 'E_APPROVALS_MISSING') return names.some((name) => text.includes(name))
  return (
    (exit === 3 || exit === 5) &&
    listed !== undefined &&
    listed.length > 0 &&
    listed.every((name) => text.includes(name))
  )
}

/** Makes the homes that a definition of either kind is approved in. */
export const makeKey = async (): Promise<void> => {
  const first = await keygenOf({})
  const network = memoryNetwork({ clock: stillClock(Date.now()), random: seededRandom('first') })
  for (const name of names) fresh.set(name, await newHome(name))
  const disks = await approvedDisks('keygen', first)
  expect(openPoints(await joinAll(disks, first, { network }))).toEqual([])
  for (const [name, disk] of disks) made.set(name, await filesIn(disk))
  const [epoch] = await shardStore(disks.get('eu') as SimDisk).list()
  if (epoch?.record === undefined) throw new Error('no epoch')
  key = { id: epoch.key, base: hashOf(recordCodec.encode(epoch.record)) }
}
