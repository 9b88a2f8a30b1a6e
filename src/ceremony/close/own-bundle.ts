import { type BundleReader, buildBundle, readBundle, type UnsignedBundle } from '../../audit/bundle.ts'
import { exportLedger, exportLog, type SiteExport } from '../../audit/log-export.ts'
import { parseNote, witnessName } from '../../audit/note.ts'
import type { SiteId } from '../../lib/brand.ts'
import { fromUtf8, joined, utf8 } from '../../lib/bytes.ts'
import { writeDurable } from '../../lib/durable.ts'
import { QuorateError } from '../../lib/errors.ts'
import { DecodeError } from '../../records/codec.ts'
import { definitionCodec } from '../../records/definition.ts'
import { bundlePath, ceremonyFolder } from '../paths.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { cosignatureHolds, openedSignature, signManifest } from './cosign.ts'

/** The bundle that an earlier join of this site wrote over its closed log; undefined where there is none that is whole. */
export const keptBundle = async (ceremony: Ceremony): Promise<BundleReader | undefined> => {
  const { site, authority, seat, log } = ceremony
  const bytes = await site.home.disk.read(bundlePath(authority.hash, authority.kind))
  if (bytes === undefined) return undefined
  try {
    const bundle = await readBundle({
      size: bytes.length,
      read: async (at, length) => bytes.subarray(at, at + length),
    })
    const own = bundle.manifest.logs.includes(seat.name) && fromUtf8(await bundle.checkpoint(seat.name))
    return own === log.head?.note ? bundle : undefined
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'E_BUNDLE') return undefined
    throw error
  }
}

/** True where nothing is missing from a bundle of these sites. */
export const isComplete = async (
  ceremony: Ceremony,
  bundle: BundleReader,
  sites: readonly SiteId[],
): Promise<boolean> => {
  for (const of of sites) {
    const signature = bundle.signatures.get(of)
    if (!bundle.manifest.logs.includes(of) || signature === undefined) return false
    if (openedSignature(ceremony, of, signature, bundle.manifestBytes) === undefined) return false
    const witnesses = (await cosignaturesIn(ceremony, bundle, of)).map(({ by }) => by)
    if (sites.some((by) => by !== of && !witnesses.includes(by))) return false
  }
  return true
}

/** Nothing vouches for this part of a bundle on a disk: where it is damaged it holds nothing. */
const cosignedIn = async (bundle: BundleReader, of: SiteId): Promise<string> => {
  try {
    return fromUtf8(await bundle.cosigned(of))
  } catch (error) {
    if (error instanceof DecodeError) return ''
    throw error
  }
}

/** Those that hold; their authors. */
export const cosignaturesIn = async (
  ceremony: Ceremony,
  bundle: BundleReader,
  of: SiteId,
): Promise<readonly { readonly by: SiteId; readonly line: Uint8Array }[]> => {
  const checkpoint = fromUtf8(await bundle.checkpoint(of))
  const lines = (await cosignedIn(bundle, of)).slice(checkpoint.length).match(/[^\n]*\n/g) ?? []
  return lines.flatMap((line) => {
    const witness = parseNote(`${checkpoint}${line}`).signatures.at(-1)?.name
    const by = ceremony.authority.roster.find(({ identity }) => witnessName(identity) === witness)?.name
    return by !== undefined && cosignatureHolds(ceremony, by, checkpoint, line) ? [{ by, line: utf8(line) }] : []
  })
}

type Outputs = ReadonlyMap<string, Uint8Array>

/** A bundle of this site alone, its log closed: what a ceremony leaves that this site itself ended. */
export const closeAndWriteOwnBundle = async (ceremony: Ceremony, outputs: Outputs): Promise<string> =>
  writeSingleLogBundle(ceremony, await closeLog(ceremony), outputs)

/**
 * A bundle of this site alone, its log still open: what a ceremony leaves that others ended. This site stays bound by
 * its promises in it.
 */
export const writeOwnBundle = async (ceremony: Ceremony, outputs: Outputs): Promise<string> => {
  await ceremony.barrier()
  const { log, site, authority } = ceremony
  const own = { ...exportLog(log), ledger: exportLedger(site.ledger, authority.hash) }
  return writeSingleLogBundle(ceremony, own, outputs)
}

const writeSingleLogBundle = async (ceremony: Ceremony, own: SiteExport, outputs: Outputs): Promise<string> => {
  const { authority, seat } = ceremony
  const bundle = await buildBundle({
    definition: definitionCodec.encode(authority.definition),
    sites: new Map([[seat.name, own]]),
    outputs,
    object: (hash) => ceremony.log.body(hash),
  })
  const path = bundlePath(authority.hash, 'abort')
  const { sigstore } = await signManifest(ceremony, bundle)
  await writeBundle(ceremony, path, bundle, new Map(), new Map([[seat.name, sigstore]]))
  return path
}

export const writeBundle = async (
  ceremony: Ceremony,
  path: string,
  bundle: UnsignedBundle,
  cosignatures: ReadonlyMap<SiteId, readonly string[]>,
  signatures: ReadonlyMap<SiteId, Uint8Array>,
): Promise<void> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of bundle.finish({ cosignatures, signatures })) chunks.push(chunk)
  await ceremony.site.home.disk.folder('bundles')
  await writeDurable(ceremony.site.home.disk, path, joined(chunks))
}

/** The log's last event and the ledger's word on it; both once, whatever crashes between. */
export const closeLog = async (ceremony: Ceremony): Promise<SiteExport> => {
  const { log, site, authority } = ceremony
  if (!ceremony.closed) ceremony.note('closing')
  const checkpoint = await log.barrier()
  const path = `${ceremonyFolder(authority.hash)}/closing-ledger`
  const kept = await site.home.disk.read(path)
  if (kept !== undefined) return { ...exportLog(log), ledger: kept }
  const said = [...site.ledger.replay()].some(
    (event) => event.what === 'log-closed' && event.ceremony === authority.hash,
  )
  if (!said) ceremony.noteLedger('log-closed', checkpoint.root)
  await site.ledger.barrier()
  const ledger = exportLedger(site.ledger, authority.hash)
  await writeDurable(site.home.disk, path, ledger)
  return { ...exportLog(log), ledger }
}
