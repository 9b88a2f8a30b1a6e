import type { KmsKey } from '../../src/kms/port.ts'
import { openAead, sealAead } from '../../src/lib/aead.ts'
import { concat, fromHex } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { KmsSlot } from '../../src/records/definition-fields.ts'
import { seededRandom } from './random.ts'

/** The key of a slot in memory: the one that a site's card names at first goes by the name of the site. */
export const kmsOf = (name: string, { key }: KmsSlot): KmsKey => memoryKms(key === `/keys/${name}.key` ? name : key)

/** A KMS key in memory; the same name is the same key. */
export const memoryKms = (name = 'memory'): KmsKey => {
  const key = seededRandom(`kms ${name}`)(32)
  const random = seededRandom(`kms nonces ${name} ${performance.now()}`)
  return {
    ref: { provider: 'local', key: `/memory/${name}` },
    can: { context: true, hardware: false, protection: 'memory: for tests' },
    async wrap(piece, context) {
      const nonce = random(12)
      const sealed = sealAead(key, nonce, piece.reveal(), fromHex(context))
      return { provider: 'local', key: `/memory/${name}`, version: '1', ciphertext: concat(nonce, sealed) }
    },
    async unwrap(wrapped, context) {
      const [nonce, sealed] = [wrapped.ciphertext.subarray(0, 12), wrapped.ciphertext.subarray(12)]
      const piece = nonce.length === 12 ? openAead(key, nonce, sealed, fromHex(context)) : undefined
      if (piece === undefined)
        throw new QuorateError('E_KMS_DENIED', 'the key does not open this', 'this is a test KMS')
      return new Secret(piece)
    },
  }
}
