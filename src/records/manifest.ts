import * as v from 'valibot'
import type { Hash, SiteId } from '../lib/brand.ts'
import { fromCanonicalJson, toCanonicalJson } from '../lib/canonical.ts'
import { type Codec, conform, DecodeError, parsed } from './codec.ts'
import { hash, label, siteId, sorted, whole } from './fields.ts'

export interface ManifestFile {
  readonly name: string
  readonly size: number
  readonly sha256: Hash
}

/**
 * The list of a bundle's files: every one but the manifest, its signatures and the cosignatures, in the bundle's order.
 */
export interface Manifest {
  readonly ceremony: Hash
  /** A name of any version: the reader of the bundle refuses those that it does not know. */
  readonly kind: string
  /** Sites whose logs are here, sorted. */
  readonly logs: readonly SiteId[]
  readonly files: readonly ManifestFile[]
}

const STATEMENT = 'https://in-toto.io/Statement/v1'
const PREDICATE = 'urn:quorate:bundle:v1'
const MOST_FILES = 200_000
const LIMIT = 2 ** 26

const name = v.custom<string>((x) => typeof x === 'string' && /^[\x21-\x7e]{1,100}$/.test(x), 'expected a file name')
const schema = v.strictObject({
  _type: v.literal(STATEMENT),
  predicateType: v.literal(PREDICATE),
  predicate: v.strictObject({
    ceremony: hash,
    kind: label,
    logs: sorted(siteId, 32),
    /** In the order of the subjects. */
    sizes: v.array(whole(0, 2 ** 33)),
  }),
  subject: v.pipe(v.array(v.strictObject({ name, digest: v.strictObject({ sha256: hash }) })), v.maxLength(MOST_FILES)),
})

const encode = (manifest: Manifest): Uint8Array =>
  toCanonicalJson({
    _type: STATEMENT,
    predicateType: PREDICATE,
    predicate: {
      ceremony: manifest.ceremony,
      kind: manifest.kind,
      logs: manifest.logs,
      sizes: manifest.files.map((file) => file.size),
    },
    subject: manifest.files.map((file) => ({ name: file.name, digest: { sha256: file.sha256 } })),
  })

const decode = (bytes: Uint8Array): Manifest => {
  if (bytes.length > LIMIT) throw new DecodeError('manifest: too large')
  const value = parsed('manifest', 'JSON', () => fromCanonicalJson(bytes))
  const { predicate, subject } = conform('manifest', schema, value)
  if (predicate.sizes.length !== subject.length) throw new DecodeError('manifest: not one size a file')
  return {
    ceremony: predicate.ceremony,
    kind: predicate.kind,
    logs: predicate.logs,
    files: subject.map((one, i) => ({ name: one.name, size: predicate.sizes[i] as number, sha256: one.digest.sha256 })),
  }
}

/** An in-toto Statement v1 whose subjects are the files; its type is the media type that DSSE signs it under. */
export const manifestCodec: Codec<Manifest> = { type: 'application/vnd.in-toto+json', limit: LIMIT, encode, decode }
