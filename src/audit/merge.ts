import { parseIdentity } from '../identity/identity.ts'
import type { Hash, SiteId } from '../lib/brand.ts'
import { equal } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from '../records/codec.ts'
import { ledgerExcerptCodec } from '../records/ledger-excerpt.ts'
import { type BundleReader, buildBundle, type Endorsements, textOf, type UnsignedBundle } from './bundle.ts'
import type { SiteExport } from './log-export.ts'
import { parseCheckpoint } from './note.ts'
import { openSigstore } from './sigstore.ts'

const contradicts = (what: string): QuorateError =>
  new QuorateError(
    'E_REFUSED',
    `the bundles contradict each other: ${what}`,
    'keep both: together they may prove that this site showed two histories; verify each by itself',
  )

const extendsOther = (longer: Uint8Array, shorter: Uint8Array): boolean =>
  longer.length >= shorter.length && equal(longer.subarray(0, shorter.length), shorter)

/** Two tellings of one site: of one history the longer, of its ledger the later. */
const mergePart = (site: SiteId, a: SiteExport, b: SiteExport): SiteExport => {
  const [long, short] = a.events.length >= b.events.length ? [a, b] : [b, a]
  if (!extendsOther(long.events, short.events))
    throw contradicts(`two logs of ${site}, none of which extends the other`)
  if (long.events.length === short.events.length && long.checkpoint !== short.checkpoint)
    throw contradicts(`two checkpoints of ${site} over one log`)
  const size = (part: SiteExport): number => parseCheckpoint(ledgerExcerptCodec.decode(part.ledger).head).size
  if (size(a) === size(b) && !equal(a.ledger, b.ledger)) throw contradicts(`two ledgers of ${site} of one size`)
  return { events: long.events, checkpoint: long.checkpoint, ledger: (size(a) >= size(b) ? a : b).ledger }
}

const partsOf = async (bundle: BundleReader): Promise<ReadonlyMap<SiteId, SiteExport>> => {
  const parts = new Map<SiteId, SiteExport>()
  for (const site of bundle.manifest.logs)
    parts.set(site, {
      events: await bundle.eventBytes(site),
      checkpoint: textOf(await bundle.checkpoint(site)),
      ledger: await bundle.ledger(site),
    })
  return parts
}

/** Cosignature lines over the checkpoints that were kept; those over older ones fall away. */
const cosignaturesOf = async (
  bundles: readonly BundleReader[],
  sites: ReadonlyMap<SiteId, SiteExport>,
): Promise<ReadonlyMap<SiteId, readonly string[]>> => {
  const found = new Map<SiteId, string[]>()
  for (const bundle of bundles)
    for (const site of bundle.manifest.logs) {
      const checkpoint = textOf(await bundle.checkpoint(site))
      if (checkpoint !== sites.get(site)?.checkpoint) continue
      const lines = textOf(await bundle.cosigned(site)).slice(checkpoint.length)
      found.set(site, [...(found.get(site) ?? []), ...(lines.match(/[^\n]*\n/g) ?? [])])
    }
  return found
}

/** Signatures over exactly this manifest; those over what a partial bundle held fall away. */
const signaturesOf = (
  bundles: readonly BundleReader[],
  { manifestBytes }: UnsignedBundle,
): ReadonlyMap<SiteId, Uint8Array> => {
  const found = new Map<SiteId, Uint8Array>()
  for (const { definition, signatures } of bundles)
    for (const [site, bytes] of signatures) {
      const key = parseIdentity(definition.sites.find((one) => one.name === site)?.identity ?? '')?.key
      if (key === undefined || found.has(site)) continue
      try {
        openSigstore(bytes, manifestBytes, key)
        found.set(site, bytes)
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
      }
    }
  return found
}

/**
 * One bundle of what several partial ones of a ceremony hold. Throws E_REFUSED where they are of different ceremonies
 * or contradict each other, and DecodeError where a part of one is not what it should be.
 */
export const mergeBundles = async (
  bundles: readonly [BundleReader, ...BundleReader[]],
): Promise<{ readonly bundle: UnsignedBundle; readonly endorsements: Endorsements }> => {
  const [first] = bundles
  const sites = new Map<SiteId, SiteExport>()
  const outputs = new Map<string, Uint8Array>()
  for (const bundle of bundles) {
    if (bundle.manifest.ceremony !== first.manifest.ceremony) throw contradicts('they are of different ceremonies')
    for (const [site, part] of await partsOf(bundle)) {
      const known = sites.get(site)
      sites.set(site, known === undefined ? part : mergePart(site, known, part))
    }
    for (const name of bundle.outputs) {
      const bytes = (await bundle.output(name)) ?? new Uint8Array()
      const known = outputs.get(name)
      if (known !== undefined && !equal(known, bytes)) throw contradicts(`two outputs named ${name}`)
      outputs.set(name, bytes)
    }
  }
  const object = async (hash: Hash): Promise<Uint8Array | undefined> => {
    for (const bundle of bundles) {
      const bytes = await bundle.object(hash)
      if (bytes !== undefined) return bytes
    }
    return undefined
  }
  const bundle = await buildBundle({ definition: first.definitionBytes, sites, outputs, object })
  const cosignatures = await cosignaturesOf(bundles, sites)
  return { bundle, endorsements: { cosignatures, signatures: signaturesOf(bundles, bundle) } }
}
