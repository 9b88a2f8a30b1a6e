import type { UnsignedBundle } from '../../audit/bundle.ts'
import type { SiteExport } from '../../audit/log-export.ts'
import { cosignLine, parseNote, verifyCosignature, witnessName } from '../../audit/note.ts'
import { encodeSigstore, openSigstore, signsStatement } from '../../audit/sigstore.ts'
import { parseIdentity } from '../../identity/identity.ts'
import type { Hash, KeyHex, SiteId } from '../../lib/brand.ts'
import { asText, fromUtf8, utf8 } from '../../lib/bytes.ts'
import { writeDurable } from '../../lib/durable.ts'
import { hashOf } from '../../lib/hash.ts'
import { DecodeError } from '../../records/codec.ts'
import type { Purpose } from '../../records/identity.ts'
import { manifestCodec } from '../../records/manifest.ts'
import { ceremonyFolder } from '../paths.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'

/** Endings of all sites, as far as this one holds them. */
export interface Endings {
  readonly parts: Map<SiteId, SiteExport>
  /** Lines over a site's checkpoint: of, by, line. */
  readonly cosignatures: Map<SiteId, Map<SiteId, string>>
  readonly signatures: Map<SiteId, Uint8Array>
}

/**
 * Keys of a peer whose certificate the bundle will show: this site's own log names it, or one of these objects is it and
 * its body is here. Others a stranger could not know.
 */
export const shownKeys = (
  { store, log }: Ceremony,
  peers: Peers,
  site: SiteId,
  purpose: Purpose,
  objects: ReadonlySet<Hash>,
): readonly KeyHex[] =>
  store.certificates(site, purpose).flatMap(({ value, envelope }) => {
    const object = hashOf(envelope)
    if (log.body(object) !== undefined) return value.key
    if (!objects.has(object)) return []
    peers.bodies.held.set(object, envelope)
    return value.key
  })

export const takeCosignature = (
  ceremony: Ceremony,
  peers: Peers,
  endings: Endings,
  by: SiteId,
  of: SiteId,
  line: Uint8Array,
): void => {
  const part = endings.parts.get(of)
  if (part === undefined || by === of || endings.cosignatures.get(of)?.has(by) === true) return
  try {
    const text = fromUtf8(line)
    const keys = shownKeys(ceremony, peers, by, 'cosign', new Set())
    if (holdsUnder(ceremony, by, keys, part.checkpoint, text)) nested(endings.cosignatures, of).set(by, text)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
  }
}

export const cosignatureHolds = (ceremony: Ceremony, by: SiteId, checkpoint: string, line: string): boolean =>
  holdsUnder(ceremony, by, ceremony.store.keys(by, 'cosign'), checkpoint, line)

const holdsUnder = (
  { authority }: Ceremony,
  by: SiteId,
  keys: readonly KeyHex[],
  checkpoint: string,
  line: string,
): boolean => {
  const identity = authority.member(by)?.identity
  if (identity === undefined) return false
  try {
    const note = parseNote(`${checkpoint}${line}`)
    const signature = note.signatures.at(-1)
    return (
      signature !== undefined &&
      note.signatures.length === parseNote(checkpoint).signatures.length + 1 &&
      keys.some((key) => verifyCosignature(note.text, signature, witnessName(identity), key) !== undefined)
    )
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}

/**
 * This site's cosignature over the checkpoint that ends a log, given once: its time differs with every giving, and bundles
 * are to be equal. Undefined where the log's site ended it otherwise before: a log has one ending.
 */
export const cosignOnce = async (ceremony: Ceremony, of: SiteId, checkpoint: string): Promise<string | undefined> => {
  const { site, authority, seat } = ceremony
  const path = `${ceremonyFolder(authority.hash)}/cosigned-${of}`
  const kept = await site.home.disk.read(path)
  if (kept !== undefined) {
    // A file that was damaged since is no reason to give another one.
    const text = asText(kept)
    return text.startsWith(checkpoint) ? text.slice(checkpoint.length) : undefined
  }
  const line = cosignLine(
    parseNote(checkpoint).text,
    witnessName(seat.identity),
    site.home.keys.cosign,
    Math.floor(site.machine.clock.now() / 1000),
  )
  await writeDurable(site.home.disk, path, utf8(`${checkpoint}${line}`))
  return line
}

/** This site's signature over the manifest, as it is said and as it stands in the bundle. */
export const signManifest = async (
  ceremony: Ceremony,
  bundle: UnsignedBundle,
): Promise<{ readonly signature: Uint8Array; readonly sigstore: Uint8Array }> => {
  const { key, signature } = await ceremony.site.identityKey.signer.sign(manifestCodec, bundle.manifest)
  return { signature, sigstore: encodeSigstore(bundle.manifestBytes, key, signature) }
}

export const takeSignatures = (ceremony: Ceremony, peers: Peers, endings: Endings, bundle: UnsignedBundle): void => {
  for (const said of peers.closeMessages.open()) {
    const { from, message } = said
    if (message.is !== 'manifest') continue
    const key = identityKeyOf(ceremony, from)
    if (
      key !== undefined &&
      !endings.signatures.has(from) &&
      signsStatement(bundle.manifestBytes, key, message.signature)
    )
      endings.signatures.set(from, encodeSigstore(bundle.manifestBytes, key, message.signature))
    if (endings.signatures.has(from)) peers.closeMessages.taken(said)
  }
}

const identityKeyOf = (ceremony: Ceremony, site: SiteId): KeyHex | undefined =>
  parseIdentity(ceremony.authority.member(site)?.identity ?? '')?.key

/** The signature of a site over exactly this manifest; undefined where it does not hold. */
export const openedSignature = (
  ceremony: Ceremony,
  by: SiteId,
  sigstore: Uint8Array,
  manifest: Uint8Array,
): Uint8Array | undefined => {
  const key = identityKeyOf(ceremony, by)
  if (key === undefined) return undefined
  try {
    return openSigstore(sigstore, manifest, key)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

export const nested = <K, V>(map: Map<K, Map<SiteId, V>>, key: K): Map<SiteId, V> => {
  const inner = map.get(key) ?? new Map<SiteId, V>()
  map.set(key, inner)
  return inner
}
