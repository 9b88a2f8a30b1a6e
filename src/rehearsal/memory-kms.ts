import type { KmsKey } from '../kms/port.ts'
import { openAead, sealAead } from '../lib/aead.ts'
import { concat, fromHex } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Random } from '../lib/ports.ts'
import { Secret } from '../lib/secret.ts'

const NONCE = 12

/** A KMS key in memory, gone with its process. */
export const memoryKms = (name: string, random: Random): KmsKey => {
  const key = random(32)
  const ref = { provider: 'local', key: name }
  return {
    ref,
    can: { context: true, hardware: false, protection: 'memory: protects nothing' },
    async wrap(piece, context) {
      const nonce = random(NONCE)
      const sealed = sealAead(key, nonce, piece.reveal(), fromHex(context))
      return { ...ref, version: '1', ciphertext: concat(nonce, sealed) }
    },
    async unwrap({ ciphertext }, context) {
      const piece = openAead(key, ciphertext.subarray(0, NONCE), ciphertext.subarray(NONCE), fromHex(context))
      if (piece === undefined) throw new QuorateError('E_KMS_DENIED', 'the key does not open this', 'rehearse again')
      return new Secret(piece)
    },
  }
}
