import { Certificate, ContentInfo, EnvelopedData } from 'pkijs'
import { fromBase64 } from '../lib/bytes.ts'
import { DecodeError } from '../records/codec.ts'

const ENVELOPED_DATA = '1.2.840.113549.1.7.3'

const bufferOf = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer

/**
 * CMS EnvelopedData (RFC 5652) in DER: RSA-OAEP with SHA-256, or ephemeral P-256; AES-256-CBC. `openssl cms -decrypt`
 * opens it. CBC hides and does not protect: a site signs what it sealed, and the share in it is checked.
 */
export const sealToCertificate = async (certificate: string, plain: Uint8Array): Promise<Uint8Array> => {
  const enveloped = new EnvelopedData()
  enveloped.addRecipientByCertificate(Certificate.fromBER(bufferOf(fromBase64(certificate))), {
    oaepHashAlgorithm: 'SHA-256',
    kdfAlgorithm: 'SHA-256',
    kekEncryptionLength: 256,
  })
  const buffer = bufferOf(plain)
  try {
    await enveloped.encrypt({ name: 'AES-CBC', length: 256 } as never, buffer)
  } finally {
    new Uint8Array(buffer).fill(0)
  }
  const content = new ContentInfo({ contentType: ENVELOPED_DATA, content: enveloped.toSchema() })
  return new Uint8Array(content.toSchema().toBER())
}

/** `key`: PKCS #8. Throws DecodeError where it opens nothing here. */
export const openByKey = async (certificate: string, key: Uint8Array, sealed: Uint8Array): Promise<Uint8Array> => {
  try {
    const content = ContentInfo.fromBER(bufferOf(sealed))
    if (content.contentType !== ENVELOPED_DATA) throw new DecodeError('CMS: not enveloped')
    const enveloped = new EnvelopedData({ schema: content.content })
    if (enveloped.recipientInfos.length !== 1) throw new DecodeError('CMS: not for one recipient')
    const recipientCertificate = Certificate.fromBER(bufferOf(fromBase64(certificate)))
    return new Uint8Array(await enveloped.decrypt(0, { recipientCertificate, recipientPrivateKey: bufferOf(key) }))
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw new DecodeError('CMS: not sealed to this key, or not whole')
  }
}
