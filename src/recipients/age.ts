import { Decrypter, Encrypter, identityToRecipient } from 'age-encryption'
import { DecodeError } from '../records/codec.ts'

/** An age file (v1, one X25519 recipient): `age --decrypt` opens it. Its keys come of the library's own randomness. */
export const sealToAge = async (recipient: string, plain: Uint8Array): Promise<Uint8Array> => {
  const encrypter = new Encrypter()
  encrypter.addRecipient(recipient)
  return encrypter.encrypt(plain)
}

/** The recipient of each identity; one with a wrong checksum has none. */
export const recipientsOf = (identities: readonly string[]): Promise<readonly string[]> =>
  Promise.all(identities.map((identity) => identityToRecipient(identity).catch(() => '')))

/** Throws DecodeError where none of the identities opens it. */
export const openByAge = async (identities: readonly string[], sealed: Uint8Array): Promise<Uint8Array> => {
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity)
  try {
    return await decrypter.decrypt(sealed)
  } catch {
    throw new DecodeError('an age file: not sealed to this identity, or not whole')
  }
}
