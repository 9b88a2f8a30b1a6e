import { equal, fromHex, toHex } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { SignMessage } from '../../records/kinds/sign.ts'

/** Most bytes of a message that is signed with its content at hand. */
export const MESSAGE_LIMIT = 67_108_864
/** Most bytes of a message given as hex on the command line. */
const HEX_LIMIT = 1_048_576

const tooLarge = (limit: number): QuorateError =>
  new QuorateError(
    'E_USAGE',
    `the message is larger than ${limit} bytes`,
    'sign its digest, and say why in --blind; every signer will see that reason',
  )

/** A file's bytes as a definition names them. `name` is a label for people. */
export const fileMessage = (name: string, bytes: Uint8Array): SignMessage => {
  if (bytes.length > MESSAGE_LIMIT) throw tooLarge(MESSAGE_LIMIT)
  return { form: 'file', name, size: bytes.length, sha256: hashOf(bytes) }
}

export const hexMessage = (bytes: Uint8Array): SignMessage => {
  if (bytes.length > HEX_LIMIT) throw tooLarge(HEX_LIMIT)
  return { form: 'hex', size: bytes.length, sha256: hashOf(bytes) }
}

/** A digest that nobody can decode, signed as it is; `blind` says why. */
export const digestMessage = (digest: Uint8Array, blind: string): SignMessage => ({
  form: 'digest',
  digest: toHex(digest),
  blind,
})

/**
 * The bytes that the protocol signs. `given` is the content of a file or hex message; a digest needs none. Throws
 * E_FILE where the content is missing, E_REFUSED where it is not what the definition names.
 */
export const messageBytes = (message: SignMessage, given: Uint8Array | undefined): Uint8Array => {
  if (message.form === 'digest') {
    const digest = fromHex(message.digest)
    if (given !== undefined && !equal(given, digest))
      throw new QuorateError('E_REFUSED', 'this is not the digest that the definition names', 'ask the planner for it')
    return digest
  }
  if (given === undefined)
    throw new QuorateError(
      'E_FILE',
      'the message itself is needed: nobody approves or signs what he has not seen',
      message.form === 'file'
        ? 'give the file to `quorate sign approve` with --message; nothing was signed'
        : 'give the bytes to `quorate sign approve` with --message-hex; nothing was signed',
    )
  if (given.length !== message.size || hashOf(given) !== message.sha256)
    throw new QuorateError(
      'E_REFUSED',
      'this is not the message that the definition names: size or SHA-256 differ',
      'compare it with the planner’s copy; nothing was signed',
    )
  return given
}
