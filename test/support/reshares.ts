import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition, receiversIn } from '../../src/records/definition.ts'
import type { RepairDefinition } from '../../src/records/kinds/repair.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import type { StoredEpoch } from '../../src/shards/epochs.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition, siteEntries } from './definition.ts'
import { approveIn, type MemoryWorld, startJoin } from './memory-site.ts'

export const epochsAt = async ({ homes }: MemoryWorld, name: string): Promise<readonly StoredEpoch[]> =>
  shardStore(
    homes.get(name)?.disk ??
      (() => {
        throw new Error(`no home ${name}`)
      })(),
  ).list()

export const recordHashOf = ({ record }: StoredEpoch): Hash => {
  if (record === undefined) throw new Error('no record')
  return hashOf(recordCodec.encode(record))
}

/** The newest epoch that a site can use. */
export const newestAt = async (world: MemoryWorld, name: string): Promise<StoredEpoch> => {
  const epoch = (await epochsAt(world, name)).filter(({ state }) => state === 'installed').at(-1)
  if (epoch === undefined) throw new Error(`${name} can use no epoch`)
  return epoch
}

/** The definition that hands the newest epoch of `made` on to others. */
export const reshareOf = async (
  world: MemoryWorld,
  made: Definition,
  to: { readonly sites: readonly string[]; readonly threshold: number; readonly without?: readonly string[] },
): Promise<ReshareDefinition> => {
  const old = receiversIn(made)
  const base = await newestAt(world, old.find(({ name }) => to.without?.includes(name) !== true)?.name ?? '')
  const { publicKey, verifyingShares, threshold } = base.made
  const receivers = await siteEntries(to.sites)
  const leaving = old.filter(({ name }) => !to.sites.includes(name))
  const { base: _, ...common } = await keygenDefinition({ name: made.name, protocol: made.protocol })
  return {
    ...common,
    kind: 'reshare',
    nonce: hashOf(new TextEncoder().encode(`${ceremonyId(made)} ${to.sites.join()} ${to.threshold}`)).slice(0, 32),
    threshold: to.threshold,
    sites: [...receivers, ...leaving],
    key: base.key,
    base: recordHashOf(base),
    epoch: base.core.epoch + 1,
    supersedes: [],
    receivers: receivers.length,
    from: {
      threshold,
      sites: old.map(({ name }) => name),
      publicKey,
      verifyingShares: [...verifyingShares],
      dealers: old.map(({ name }) => name).filter((name) => to.without?.includes(name) !== true),
    },
  }
}

/** The definition that gives the share which `lost` has of the newest epoch of `made` to `mended`. */
export const repairOf = async (
  world: MemoryWorld,
  made: Definition,
  lost: string,
  mended: string,
  helpers?: readonly string[],
): Promise<RepairDefinition> => {
  const old = receiversIn(made)
  const left = old.map(({ name }) => name).filter((name) => name !== lost)
  const base = await newestAt(world, left[0] ?? '')
  const { publicKey, verifyingShares, threshold } = base.made
  const [entry] = await siteEntries([mended])
  if (entry === undefined) throw new Error('no entry')
  const { base: _, ...common } = await keygenDefinition({ name: made.name, protocol: made.protocol })
  return {
    ...common,
    kind: 'repair',
    nonce: hashOf(new TextEncoder().encode(`${ceremonyId(made)} ${lost} ${mended}`)).slice(0, 32),
    threshold,
    sites: old.map((site) => (site.name === lost ? entry : site)),
    key: base.key,
    base: recordHashOf(base),
    epoch: base.core.epoch + 1,
    supersedes: [],
    from: {
      sites: old.map(({ name }) => name),
      publicKey,
      verifyingShares: [...verifyingShares],
      helpers: (helpers ?? left.slice(0, threshold)) as RepairDefinition['from']['helpers'],
    },
  }
}

/** Those sites approve and join; how each of them ended. */
export const joinSites = async (
  world: MemoryWorld,
  who: readonly string[],
  definition: Definition,
  message: Uint8Array | null = null,
): Promise<readonly PromiseSettledResult<JoinResult>[]> => {
  for (const name of who) await approveIn(world, name, definition)
  const runs = await Promise.all(who.map((name) => startJoin(world, name, definition, message)))
  return Promise.allSettled(runs.map(({ done }) => done))
}

/** Those sites sign a message with the newest epoch of the first of them; how each of them ended. */
export const signatureBy = async (world: MemoryWorld, made: Definition, signers: readonly string[]) => {
  const base = await newestAt(world, signers[0] ?? '')
  const message = utf8(`pay ${signers.join()}`)
  const definition = await signDefinition({
    sites: [...receiversIn(made)],
    threshold: made.threshold,
    key: base.key,
    base: recordHashOf(base),
    nonce: hashOf(utf8(`${signers.join()} ${recordHashOf(base)}`)).slice(0, 32),
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    signers: signers as never,
  })
  return joinSites(world, signers, definition, message)
}
