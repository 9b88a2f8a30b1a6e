import { ceremonyId, type Handover } from '../../records/definition.ts'
import { error, refuseErrors } from '../definition/finding.ts'
import type { Site } from '../ports.ts'

/**
 * A site that a definition counts among no holders has only the old roster's word for what is replaced. Throws E_DEFINITION
 * where its own home knows otherwise of the key: it would take a share of another one under the same name, or of an epoch
 * that is none.
 */
export const refuseOtherKey = async (site: Site, definition: Handover): Promise<void> => {
  const { key, from, epoch } = definition
  const ceremony = ceremonyId(definition)
  const used = (await site.shards.ofKey(key)).whole.filter(
    ({ state, made }) => state !== 'staged' && made.ceremony !== ceremony,
  )
  const newest = used.at(-1)
  refuseErrors([
    ...(used.some(({ made }) => made.publicKey !== from.publicKey || made.protocol !== definition.protocol)
      ? [error('key-shares', 'from.publicKey', 'not the public key that this home knows of this key')]
      : []),
    ...(newest !== undefined && newest.core.epoch >= epoch
      ? [error('epoch', 'epoch', `this home knows of epoch ${newest.core.epoch} of this key`)]
      : []),
    ...(newest?.state === 'installed'
      ? [
          error(
            'roster',
            'from.sites',
            `this home holds a share of epoch ${newest.core.epoch}: it has to destroy it in the ceremony that replaced it, or a new home takes its place`,
          ),
        ]
      : []),
  ])
}
