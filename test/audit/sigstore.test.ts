import { createPublicKey } from 'node:crypto'
import { bundleFromJSON } from '@sigstore/bundle'
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify'
import { describe, expect, it } from 'vitest'
import { encodeSigstore, IN_TOTO, openSigstore } from '../../src/audit/sigstore.ts'
import { keyId } from '../../src/identity/dsse.ts'
import { rawSigner } from '../../src/identity/ed25519.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { fromHex, fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { type Manifest, manifestCodec } from '../../src/records/manifest.ts'
import { pae } from '../../src/records/signed.ts'

const seed = (n: number): Secret => new Secret(new Uint8Array(32).fill(n))
const signer = rawSigner(seed(1))
const manifest: Manifest = {
  ceremony: hashOf(utf8('definition')),
  kind: 'keygen',
  logs: ['eu' as SiteId],
  files: [{ name: 'definition.json', size: 10, sha256: hashOf(utf8('definition')) }],
}
const statement = manifestCodec.encode(manifest)
const signature = signer.sign(pae(IN_TOTO, statement))
const bundle = encodeSigstore(statement, signer.key, signature)

const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), fromHex(signer.key)])
const publicKey = {
  rawBytes: spki,
  keyDetails: 7, // PKIX_ED25519
  validFor: { start: new Date(0) },
}
const verify = (bytes: Uint8Array) => {
  const parsed = bundleFromJSON(JSON.parse(fromUtf8(bytes)))
  const trust = toTrustMaterial(
    { mediaType: '', tlogs: [], ctlogs: [], timestampAuthorities: [], certificateAuthorities: [] },
    (hint) => {
      if (hint !== keyId(signer.key)) throw new Error('another key')
      return {
        publicKey: createPublicKey({ key: publicKey.rawBytes, format: 'der', type: 'spki' }),
        validFor: () => true,
      }
    },
  )
  return new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 }).verify(
    toSignedEntity(parsed, Buffer.from(statement)),
  )
}

describe('manifest signature', () => {
  it('verifies with sigstore’s own verifier', () => {
    expect(() => verify(bundle)).not.toThrow()
  })

  it('is refused by sigstore and here once the signature or the statement is another', () => {
    const other = encodeSigstore(statement, signer.key, rawSigner(seed(2)).sign(pae(IN_TOTO, statement)))
    expect(() => verify(other)).toThrow()
    expect(() => openSigstore(other, statement, signer.key)).toThrow(DecodeError)
    const changed = manifestCodec.encode({ ...manifest, kind: 'sign' })
    expect(() => verify(encodeSigstore(changed, signer.key, signature))).toThrow()
    expect(() => openSigstore(bundle, changed, signer.key)).toThrow(DecodeError)
    expect(() => openSigstore(bundle, statement, rawSigner(seed(2)).key)).toThrow(DecodeError)
  })

  it('opens what it wrote and refuses every flipped bit of it', () => {
    expect(openSigstore(bundle, statement, signer.key)).toEqual(signature)
    for (let at = 0; at < bundle.length; at++) {
      const altered = bundle.map((b, i) => (i === at ? b ^ (1 << (at % 8)) : b))
      expect(() => openSigstore(altered, statement, signer.key)).toThrow(DecodeError)
    }
  })

  it('writes the same bytes for ever', () => {
    expect(hashOf(statement)).toMatchInlineSnapshot(
      `"a2baf78a8b240d72f799ca392226b12dcbba983067b998c7ee95efab0d7fef5d"`,
    )
    expect(hashOf(bundle)).toMatchInlineSnapshot(`"aaba4e97db8d11cb6908cd316af060b2d8018543a70bc0bff3e7a99e0c033596"`)
  })

  it('names every file as a subject with its hash', () => {
    const value = JSON.parse(fromUtf8(statement))
    expect(value).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'urn:quorate:bundle:v1',
      subject: [{ name: 'definition.json', digest: { sha256: manifest.files[0]?.sha256 } }],
    })
    expect(manifestCodec.decode(statement)).toEqual(manifest)
  })
})
