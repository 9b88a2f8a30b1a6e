import type { KmsKey } from '../../kms/port.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { KmsSlot } from '../../records/definition-fields.ts'
import type { Site } from '../ports.ts'

/** In the place of a key that cannot even be opened: it fails where it is used, and two others may be enough. */
const unusable = (ref: KmsSlot, error: QuorateError): KmsKey => ({
  ref,
  can: { context: false, hardware: false, protection: 'none' },
  wrap: () => Promise.reject(error),
  unwrap: () => Promise.reject(error),
})

/** The KMS keys that an entry names, in its order. Fails only for what is no fault of a key. */
export const keysOf = (site: Pick<Site, 'kms'>, slots: readonly KmsSlot[]): Promise<readonly KmsKey[]> =>
  Promise.all(
    slots.map(async (slot) => {
      try {
        return await site.kms(slot)
      } catch (error) {
        if (error instanceof QuorateError) return unusable(slot, error)
        throw error
      }
    }),
  )
