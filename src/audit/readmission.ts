import { fromEnvelope } from '../identity/dsse.ts'
import { parseIdentity } from '../identity/identity.ts'
import type { Hash, Identity, KeyHex, SiteId } from '../lib/brand.ts'
import { fromBase64, fromHex, fromUtf8, toHex } from '../lib/bytes.ts'
import { hashOf } from '../lib/hash.ts'
import { seatUnder } from '../records/admission.ts'
import type { Attempt } from '../records/attempt.ts'
import { DecodeError } from '../records/codec.ts'
import { type Definition, definitionCodec } from '../records/definition.ts'
import { certificateCodec } from '../records/identity.ts'
import { type ReadmitDefinition, returningIdentity } from '../records/kinds/readmit.ts'
import type { PromisedIn, Rebound } from '../records/readmission.ts'
import { type RecordName, recordNames, rowOf } from '../records/record-table.ts'
import type { Checkpoint } from './log.ts'
import { verifyConsistency } from './merkle.ts'
import { ledgerOrigin, openCheckpoint } from './note.ts'

/** Records by which a site is bound beyond the ceremony that it signed them in. */
export const bindingRecords = [
  'attempt',
  'fenced',
  'ready',
  'installed',
  'retired',
  'release',
] as const satisfies readonly RecordName[]
type BindingRecord = (typeof bindingRecords)[number]

const isBinding = (name: string): name is BindingRecord => bindingRecords.some((one) => one === name)

/** Records of a site in another ceremony, verified. */
export interface Promised {
  readonly definition: Definition
  readonly ceremony: Hash
  /** The site by its name there. */
  readonly site: SiteId
  readonly records: readonly { readonly name: BindingRecord; readonly envelope: Uint8Array; readonly value: unknown }[]
}

const bytesOf = (text: string): Uint8Array => {
  try {
    return fromBase64(text)
  } catch {
    throw new DecodeError('not base64')
  }
}

/** The message key that an identity certified for a ceremony. Throws DecodeError. */
const certifiedKey = (envelope: Uint8Array, identity: Identity, ceremony: Hash): KeyHex => {
  const signer = parseIdentity(identity)
  const { value } = fromEnvelope(certificateCodec, envelope, signer === undefined ? [] : [signer.key])
  if (value.identity !== identity || value.purpose !== 'message' || value.authority !== ceremony)
    throw new DecodeError('a certificate of another identity, purpose or ceremony')
  return value.key
}

/** Promises of an identity, each under a message key that it certified for that ceremony. Throws DecodeError. */
export const readPromised = (given: PromisedIn, identity: Identity): Promised => {
  const bytes = bytesOf(given.definition)
  const definition = definitionCodec.decode(bytes)
  const ceremony = hashOf(bytes)
  const site = definition.sites.find((one) => one.identity === identity)?.name
  if (site === undefined) throw new DecodeError('of a ceremony that the site has no seat in')
  const keys = given.certificates.map((text) => certifiedKey(bytesOf(text), identity, ceremony))
  const records = given.records.map(({ name, envelope: text }) => {
    if (!isBinding(name) || !recordNames.includes(name)) throw new DecodeError('no record that binds a site')
    const envelope = bytesOf(text)
    const { value, key } = fromEnvelope(rowOf(name).codec, envelope, keys)
    const said = value as { readonly ceremony: Hash; readonly site?: SiteId }
    const by = name === 'attempt' ? seatUnder(value as Attempt, key)?.site : said.site
    if (said.ceremony !== ceremony || by !== site) throw new DecodeError('of another ceremony or site')
    return { name, envelope, value }
  })
  return { definition, ceremony, site, records }
}

/**
 * The head in which a returning site says that it has all that it was shown: signed by a log key of its own, on the ledger
 * that the definition names. Undefined where it is not.
 */
export const returnedHead = (
  definition: ReadmitDefinition,
  { head, proof }: Rebound,
  keys: readonly KeyHex[],
): Checkpoint | undefined => {
  const identity = returningIdentity(definition)
  const { size: from, root: old } = definition.ledger
  for (const key of identity === undefined ? [] : keys) {
    try {
      const note = bytesOf(head)
      const { size, root } = openCheckpoint(note, ledgerOrigin(identity as Identity), key)
      if (size < from || !verifyConsistency(from, size, fromHex(old), root, proof.map(fromHex))) continue
      return { size, root: toHex(root) as Hash, note: fromUtf8(note) }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return undefined
}
