import { createHash } from 'node:crypto'
import type { Hash, SiteId } from '../lib/brand.ts'
import { equal, fromUtf8, toHex, utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf, sha256 } from '../lib/hash.ts'
import { DecodeError } from '../records/codec.ts'
import { type Definition, definitionCodec } from '../records/definition.ts'
import { recordKinds } from '../records/kinds/index.ts'
import { inBundle, rowOfKind } from '../records/kinds/row.ts'
import { type Manifest, type ManifestFile, manifestCodec } from '../records/manifest.ts'
import { eventCounter, MOST_FILES, tooLarge } from './limits.ts'
import { type LoggedEvent, objectsOf, readEvents, type SiteExports } from './log-export.ts'
import { withCosignatures } from './note.ts'
import { readTar, type Source, type TarEntry, type TarFile, TooManyFiles, writeTar } from './tar.ts'

/**
 * One file, ustar, in this order: manifest.json, definition.json, objects/HASH, logs/SITE/events and checkpoint,
 * ledgers/SITE, outputs/NAME, each group sorted; then, outside the manifest, cosignatures/SITE (witnesses' lines over
 * that site's checkpoint) and signatures/SITE.sigstore.json (its identity's signature over the manifest). All of it
 * follows from what the sites share, so complete bundles are the same bytes at every site that took part.
 */

const MANIFEST = 'manifest.json'
const DEFINITION = 'definition.json'
const CHUNK = 2 ** 16

const limits = {
  definition: definitionCodec.limit,
  object: 2 ** 23,
  checkpoint: 4096,
  ledger: 2 ** 22,
  /** A signed message may be one of them. */
  output: 2 ** 26,
  cosignatures: 32_768,
  signature: 2 ** 27,
  events: 2 ** 29,
} as const
type Kind = keyof typeof limits

const forms: readonly (readonly [Kind, RegExp])[] = [
  ['definition', /^definition\.json$/],
  ['object', /^objects\/([0-9a-f]{64})$/],
  ['events', /^logs\/([a-z0-9-]{1,32})\/events$/],
  ['checkpoint', /^logs\/([a-z0-9-]{1,32})\/checkpoint$/],
  ['ledger', /^ledgers\/([a-z0-9-]{1,32})$/],
  ['output', /^outputs\/([a-z0-9][a-z0-9.-]{0,63})$/],
  ['cosignatures', /^cosignatures\/([a-z0-9-]{1,32})$/],
  ['signature', /^signatures\/([a-z0-9-]{1,32})\.sigstore\.json$/],
]
/** Groups in the bundle's order; a log's two files stand together. */
const rank: Readonly<Record<Kind, number>> = {
  definition: 0,
  object: 1,
  events: 2,
  checkpoint: 2,
  ledger: 3,
  output: 4,
  cosignatures: 5,
  signature: 6,
}

interface Named {
  readonly kind: Kind
  /** Hash, site or output; empty for the definition. */
  readonly of: string
}

const nameOf = (name: string): Named => {
  for (const [kind, form] of forms) {
    const match = form.exec(name)
    if (match !== null) return { kind, of: match[1] ?? '' }
  }
  throw new DecodeError('bundle: a file that has no place in one')
}

const before = (a: Named, b: Named): boolean => {
  if (rank[a.kind] !== rank[b.kind]) return rank[a.kind] < rank[b.kind]
  return a.of === b.of ? a.kind === 'events' && b.kind === 'checkpoint' : a.of < b.of
}

interface BundleParts {
  /** definitionCodec bytes. */
  readonly definition: Uint8Array
  readonly sites: SiteExports
  /** Public results by name: signature, public key. */
  readonly outputs: ReadonlyMap<string, Uint8Array>
  /** A body named by some log, where anybody holds it. Asked again when the bundle is written. */
  object(hash: Hash): Uint8Array | undefined | Promise<Uint8Array | undefined>
}

export interface Endorsements {
  /** Witnesses' lines over a site's checkpoint, by that site. */
  readonly cosignatures: ReadonlyMap<SiteId, readonly string[]>
  /** Sigstore bundles over the manifest, by signer. */
  readonly signatures: ReadonlyMap<SiteId, Uint8Array>
}

export interface UnsignedBundle {
  readonly manifest: Manifest
  /** The statement that each site's identity signs. */
  readonly manifestBytes: Uint8Array
  /** The bundle's bytes, in pieces. */
  finish(endorsements: Endorsements): AsyncIterable<Uint8Array>
}

const sortedKeys = <K extends string>(map: ReadonlyMap<K, unknown>): readonly K[] => [...map.keys()].sort()

/** Lines of cosignatures as they stand in a bundle: sorted, each once. Throws DecodeError where one is no line. */
const cosignatureFile = (checkpoint: string, lines: readonly string[]): Uint8Array =>
  utf8(withCosignatures(checkpoint, lines).slice(checkpoint.length))

/**
 * Lays out a bundle of what is held. `finish` may be called once the endorsements over the manifest are there; what is
 * missing then is an open point of the verdict. Throws DecodeError where a part does not decode.
 */
export const buildBundle = async (parts: BundleParts): Promise<UnsignedBundle> => {
  const definition = definitionCodec.decode(parts.definition)
  const files: ManifestFile[] = []
  const add = (name: string, bytes: Uint8Array): void => {
    files.push({ name, size: bytes.length, sha256: hashOf(bytes) })
  }
  const named = new Set<Hash>()
  for (const { events } of parts.sites.values()) for (const hash of await objectsOf(events)) named.add(hash)

  add(DEFINITION, parts.definition)
  for (const hash of [...named].sort()) {
    const bytes = await parts.object(hash)
    if (bytes !== undefined) add(`objects/${hash}`, bytes)
  }
  const sites = sortedKeys(parts.sites)
  for (const site of sites) {
    const part = parts.sites.get(site)
    add(`logs/${site}/events`, part?.events ?? new Uint8Array())
    add(`logs/${site}/checkpoint`, utf8(part?.checkpoint ?? ''))
  }
  for (const site of sites) add(`ledgers/${site}`, parts.sites.get(site)?.ledger ?? new Uint8Array())
  for (const name of sortedKeys(parts.outputs)) add(`outputs/${name}`, parts.outputs.get(name) ?? new Uint8Array())

  const manifest: Manifest = { ceremony: hashOf(parts.definition), kind: definition.kind, logs: sites, files }
  const manifestBytes = manifestCodec.encode(manifest)

  const contents = async (name: string): Promise<Uint8Array | undefined> => {
    const { kind, of } = nameOf(name)
    const site = parts.sites.get(of as SiteId)
    if (kind === 'definition') return parts.definition
    if (kind === 'object') return parts.object(of as Hash)
    if (kind === 'events') return site?.events
    if (kind === 'checkpoint') return site && utf8(site.checkpoint)
    return kind === 'ledger' ? site?.ledger : parts.outputs.get(of)
  }

  async function* all({ cosignatures, signatures }: Endorsements): AsyncIterable<TarFile> {
    yield { name: MANIFEST, bytes: manifestBytes }
    for (const { name, sha256: hash } of files) {
      const bytes = await contents(name)
      if (bytes === undefined || hashOf(bytes) !== hash) throw new RangeError('a part changed under the bundle')
      yield { name, bytes }
    }
    for (const site of sites) {
      const lines = cosignatures.get(site) ?? []
      const checkpoint = parts.sites.get(site)?.checkpoint
      if (lines.length > 0 && checkpoint !== undefined)
        yield { name: `cosignatures/${site}`, bytes: cosignatureFile(checkpoint, lines) }
    }
    for (const site of sortedKeys(signatures)) {
      const bytes = signatures.get(site)
      if (bytes !== undefined) yield { name: `signatures/${site}.sigstore.json`, bytes }
    }
  }

  return { manifest, manifestBytes, finish: (endorsements) => writeTar(all(endorsements)) }
}

/** A bundle whose form is right and whose files are those of its manifest. verifyBundle judges their contents. */
export interface BundleReader {
  readonly manifest: Manifest
  readonly manifestBytes: Uint8Array
  readonly definition: Definition
  readonly definitionBytes: Uint8Array
  /** Hashes of the bodies that are here, sorted. */
  readonly objects: readonly Hash[]
  readonly outputs: readonly string[]
  object(hash: Hash): Promise<Uint8Array | undefined>
  output(name: string): Promise<Uint8Array | undefined>
  /**
   * In batches, decoded; throws DecodeError at the first line that is not an event in its place, E_BUNDLE where all logs
   * together have too many.
   */
  events(site: SiteId): AsyncIterable<readonly LoggedEvent[]>
  eventBytes(site: SiteId): Promise<Uint8Array>
  checkpoint(site: SiteId): Promise<Uint8Array>
  ledger(site: SiteId): Promise<Uint8Array>
  /** Note of a site's checkpoint with its witnesses' lines. */
  cosigned(site: SiteId): Promise<Uint8Array>
  /** Sigstore bundles over the manifest, by signer. */
  readonly signatures: ReadonlyMap<SiteId, Uint8Array>
}

/** Throws E_BUNDLE for what a reader of a bundle throws where its bytes are at fault, all else as it is. */
export const refuse = (error: unknown): never => {
  if (error instanceof TooManyFiles) throw tooLarge(error.message)
  if (!(error instanceof DecodeError) && !(error instanceof RangeError)) throw error
  throw new QuorateError(
    'E_BUNDLE',
    `not a bundle that quorate writes: ${error.message}`,
    'ask the sites for it again; if theirs is the same, one of them made it by other means',
    {},
    error,
  )
}

/** Throws DecodeError where the bytes are not text. */
export const textOf = (bytes: Uint8Array): string => {
  try {
    return fromUtf8(bytes)
  } catch {
    throw new DecodeError('bundle: not UTF-8')
  }
}

async function* chunks(source: Source, { at, size }: TarEntry): AsyncIterable<Uint8Array> {
  for (let done = 0; done < size; done += CHUNK) yield await source.read(at + done, Math.min(CHUNK, size - done))
}

const digest = async (source: Source, entry: TarEntry): Promise<Hash> => {
  if (entry.size <= CHUNK) return hashOf(await source.read(entry.at, entry.size))
  const hash = createHash('sha256')
  for await (const chunk of chunks(source, entry)) hash.update(chunk)
  return hash.digest('hex') as Hash
}

const read = async (source: Source): Promise<BundleReader> => {
  const [first, ...entries] = await readTar(source, MOST_FILES)
  if (first?.name !== MANIFEST) throw new DecodeError('bundle: no manifest first')
  if (first.size > manifestCodec.limit) throw tooLarge(`a manifest of more than ${manifestCodec.limit} bytes`)
  const manifestBytes = await source.read(first.at, first.size)
  const manifest = manifestCodec.decode(manifestBytes)
  rowOfKind(recordKinds, manifest.kind, 'judge', inBundle)

  const byName = new Map<string, TarEntry>()
  const groups = new Map<Kind, string[]>()
  let last: Named | undefined
  for (const [at, entry] of entries.entries()) {
    const named = nameOf(entry.name)
    if (last !== undefined && !before(last, named)) throw new DecodeError(`bundle: ${entry.name} is out of order`)
    if (entry.size > limits[named.kind]) throw tooLarge(`${entry.name} has more than ${limits[named.kind]} bytes`)
    last = named
    byName.set(entry.name, entry)
    const group = groups.get(named.kind) ?? []
    groups.set(named.kind, group)
    group.push(named.of)
    const stated = manifest.files[at]
    if (rank[named.kind] >= rank.cosignatures) {
      if (stated !== undefined) throw new DecodeError('bundle: a file of the manifest is missing')
      continue
    }
    if (stated?.name !== entry.name || stated.size !== entry.size || stated.sha256 !== (await digest(source, entry)))
      throw new DecodeError(`bundle: ${entry.name} is not what the manifest says`)
    if (named.kind === 'object' && named.of !== stated.sha256)
      throw new DecodeError(`bundle: ${entry.name} is not its own hash`)
  }
  if (manifest.files.length > entries.length) throw new DecodeError('bundle: a file of the manifest is missing')

  const group = (kind: Kind): readonly string[] => groups.get(kind) ?? []
  const same = (kind: Kind): boolean => group(kind).join() === manifest.logs.join()
  if (group('definition').length !== 1) throw new DecodeError('bundle: no definition')
  if (!same('events') || !same('checkpoint') || !same('ledger'))
    throw new DecodeError('bundle: not one log, checkpoint and ledger of each site that it names')
  const logs = new Set<string>(manifest.logs)
  if (!group('cosignatures').every((site) => logs.has(site))) throw new DecodeError('bundle: cosignatures of no log')

  const counted = eventCounter()
  const whole = async (name: string): Promise<Uint8Array | undefined> => {
    const entry = byName.get(name)
    return entry && (await source.read(entry.at, entry.size))
  }
  const must = async (name: string): Promise<Uint8Array> => {
    const bytes = await whole(name)
    if (bytes === undefined) throw new DecodeError(`bundle: no ${name}`)
    return bytes
  }
  const definitionBytes = await must(DEFINITION)
  const definition = definitionCodec.decode(definitionBytes)
  if (manifest.ceremony !== hashOf(definitionBytes) || manifest.kind !== definition.kind)
    throw new DecodeError('bundle: the manifest names another definition')
  const roster = new Set<string>(definition.sites.map((site) => site.name))
  if (![...logs, ...group('signature')].every((site) => roster.has(site)))
    throw new DecodeError('bundle: a site that the definition does not name')

  const signatures = new Map<SiteId, Uint8Array>()
  for (const site of group('signature')) signatures.set(site as SiteId, await must(`signatures/${site}.sigstore.json`))

  return {
    manifest,
    manifestBytes,
    definition,
    definitionBytes,
    objects: group('object') as readonly Hash[],
    outputs: group('output'),
    signatures,
    async object(hash) {
      const bytes = await whole(`objects/${hash}`)
      if (bytes !== undefined && toHex(sha256(bytes)) !== hash)
        throw new DecodeError('bundle: changed while it was read')
      return bytes
    },
    output: (name) => whole(`outputs/${name}`),
    async *events(site) {
      const entry = byName.get(`logs/${site}/events`)
      if (entry === undefined) throw new DecodeError('bundle: no log of this site')
      let count = 0
      for await (const batch of readEvents(chunks(source, entry))) {
        count += batch.length
        counted(site, count)
        yield batch
      }
    },
    eventBytes: (site) => must(`logs/${site}/events`),
    checkpoint: (site) => must(`logs/${site}/checkpoint`),
    ledger: (site) => must(`ledgers/${site}`),
    async cosigned(site) {
      const checkpoint = textOf(await must(`logs/${site}/checkpoint`))
      const bytes = (await whole(`cosignatures/${site}`)) ?? new Uint8Array()
      const lines = textOf(bytes).match(/[^\n]*\n/g) ?? []
      if (!equal(cosignatureFile(checkpoint, lines), bytes))
        throw new DecodeError('cosignatures: not sorted, each once')
      return utf8(withCosignatures(checkpoint, lines))
    },
  }
}

/**
 * Reads a bundle's form: every header is written again and compared, the files are those of the manifest, in its order,
 * each with its size and hash. Nothing is held but the manifest and places. Throws E_BUNDLE.
 */
export const readBundle = (source: Source): Promise<BundleReader> => read(source).catch(refuse)
