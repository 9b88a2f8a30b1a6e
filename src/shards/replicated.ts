import type { Hash } from '../lib/brand.ts'
import type { Disk } from '../lib/ports.ts'
import { shardCoreCodec } from '../records/sealed-shard.ts'
import { currentEnvelope, envelopeAt } from './envelopes.ts'
import type { Replicas } from './replicas.ts'
import type { ShardStore } from './store.ts'

const isHash = (name: string): name is Hash => /^[0-9a-f]{64}$/.test(name)

/**
 * Shards of a home, with a replica of each in every store that the site's card names. A share that is sealed lies in all of
 * them before anybody votes for it; one that is destroyed is said to be so only when its wrapped pieces are gone from all
 * that ever had them. To open a share no store is asked.
 */
export const replicated = (inner: ShardStore, disk: Disk, replicas: Replicas): ShardStore => {
  const folderOf = (key: Hash, outcome: Hash): string => `keys/${key}/${outcome}`

  /** Epochs whose share is destroyed here, and whose wrapped pieces may lie in a store still. */
  const leftOver = async (key: Hash): Promise<readonly Hash[]> => {
    const found: Hash[] = []
    for (const outcome of (await disk.list(`keys/${key}`)).filter(isHash))
      if (
        (await disk.read(`${folderOf(key, outcome)}/retired`)) !== undefined &&
        (await replicas.isNoted(key, outcome))
      )
        found.push(outcome)
    return found
  }

  return {
    ...inner,
    refuseUnreachable: () => replicas.probe(),
    async stage(sealed, made, supersedes) {
      await inner.stage(sealed, made, supersedes)
      const { key, outcome } = shardCoreCodec.decode(sealed.core)
      await replicas.put(key, outcome, sealed)
    },
    async stageRewrap(key, outcome, ceremony, sealed) {
      await inner.stageRewrap(key, outcome, ceremony, sealed)
      await replicas.put(key, outcome, sealed)
    },
    async dropStaged(key, outcome) {
      if ((await disk.read(`${folderOf(key, outcome)}/votes`)) === undefined) await replicas.remove(key, outcome)
      await inner.dropStaged(key, outcome)
    },
    async dropRewrap(key, ceremony) {
      for (const { outcome, state, envelope } of (await inner.ofKey(key)).whole) {
        const files = await disk.list(folderOf(key, outcome))
        if (state !== 'installed' || !files.includes(`slots-${ceremony}`)) continue
        // Once it counts it is not dropped.
        if ((await currentEnvelope(disk, folderOf(key, outcome)))?.ceremony !== ceremony)
          await replicas.remove(key, outcome, envelope)
      }
      await inner.dropRewrap(key, ceremony)
    },
    async replaceEnvelope(key, outcome, ceremony, envelope) {
      // It may have been taken away since it was put there: the one before is destroyed next.
      const fresh = await envelopeAt(disk, folderOf(key, outcome), ceremony)
      if (fresh !== undefined) await replicas.put(key, outcome, fresh)
      await inner.replaceEnvelope(key, outcome, ceremony, envelope)
      await replicas.remove(key, outcome, envelope)
    },
    async retire(key, outcome, by) {
      await inner.retire(key, outcome, by)
      // Whatever became of the home's own files: no piece is left anywhere when this resolves.
      const all = new Set([outcome, ...(await leftOver(key))])
      const ends = await Promise.allSettled([...all].map((one) => replicas.remove(key, one)))
      for (const end of ends) if (end.status === 'rejected') throw end.reason
    },
  }
}
