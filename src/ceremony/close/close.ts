import { type BundleReader, buildBundle, readBundle, type UnsignedBundle } from '../../audit/bundle.ts'
import { exportLedger, exportLog, objectsOf, readEvents, type SiteExport } from '../../audit/log-export.ts'
import { Frontier } from '../../audit/merkle.ts'
import {
  ceremonyOrigin,
  cosignLine,
  openCheckpoint,
  parseNote,
  verifyCosignature,
  witnessName,
} from '../../audit/note.ts'
import { encodeSigstore, openSigstore } from '../../audit/sigstore.ts'
import { parseIdentity } from '../../identity/identity.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import { concat, equal, fromHex, fromUtf8, utf8 } from '../../lib/bytes.ts'
import { writeDurable } from '../../lib/durable.ts'
import { QuorateError } from '../../lib/errors.ts'
import { DecodeError } from '../../records/codec.ts'
import { definitionCodec } from '../../records/definition.ts'
import { ledgerExcerptCodec } from '../../records/ledger-excerpt.ts'
import { manifestCodec } from '../../records/manifest.ts'
import { bundlePath, ceremonyFolder } from '../paths.ts'
import type { CloseMessage, Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'

export interface Closed {
  /** Path of the bundle in this home. */
  readonly bundle: string
  /** What is missing from it, in words; empty: complete. */
  readonly open: readonly string[]
}

/** How long a site that has everything waits for others who may have come back for it. */
export const HELP_MS = 1500

/** How long the last words may take to reach the others: several tries, also on a wire that was cut in between. */
const FAREWELL_MS = 10_000

/** What this site holds of everybody's endings. */
interface Endings {
  readonly parts: Map<SiteId, SiteExport>
  /** Lines over a site's checkpoint: of, by, line. */
  readonly cosignatures: Map<SiteId, Map<SiteId, string>>
  readonly signatures: Map<SiteId, Uint8Array>
}

/**
 * Ends this site's log, exchanges logs, cosignatures and manifest signatures with the others who took part, and writes
 * the bundle. Who is silent here leaves an open point; nothing that was made is held back for it.
 */
export const closeCeremony = async (
  ceremony: Ceremony,
  peers: Peers,
  sites: readonly SiteId[],
  outputs: ReadonlyMap<string, Uint8Array>,
): Promise<Closed> => {
  const { store, seat, options, authority, site } = ceremony
  const { clock } = site.machine
  const own = await closeLog(ceremony)
  const kept = await keptBundle(ceremony)
  if (kept !== undefined) await resumeFromBundle(ceremony, peers, kept)
  const endings: Endings = { parts: new Map([[seat.name, own]]), cosignatures: new Map(), signatures: new Map() }
  const tell = (): void => peers.broadcast(logMessage(own))
  peers.whenConnected((name) => {
    peers.send(name, logMessage(own))
    for (const [of, lines] of endings.cosignatures) {
      const line = lines.get(seat.name)
      if (line !== undefined) peers.send(name, { is: 'cosignature', of, line: utf8(line) })
    }
    const mine = endings.signatures.get(seat.name)
    if (mine !== undefined) peers.send(name, { is: 'manifest', bundle: mine })
  })
  tell()

  const until = clock.monotonic() + authority.definition.deadlines.close * 1000
  const left = (): number => Math.max(1, until - clock.monotonic())
  const cosigning = new Set<SiteId>()
  const take = oneAtATime(
    () => takeCloseMessages(ceremony, peers, endings, sites, cosigning),
    (error) => ceremony.fail(error),
  )
  await store.until(
    () => {
      take()
      const missing = missingEndings(ceremony, peers, endings, sites)
      options.progress({
        phase: 'step',
        step: 'closed',
        got: sites.length - missing.length,
        total: sites.length,
        waiting: missing,
      })
      return missing.length === 0 ? true : undefined
    },
    left(),
    options.signal,
  )

  const bundle = await buildBundle({
    definition: definitionCodec.encode(authority.definition),
    sites: new Map([...endings.parts].sort(([a], [b]) => (a < b ? -1 : 1))),
    outputs,
    object: (hash) => ceremony.log.body(hash) ?? peers.bodies.get(hash),
  })
  const mine = await signManifest(ceremony, bundle)
  endings.signatures.set(seat.name, mine)
  peers.broadcast({ is: 'manifest', bundle: mine })
  const complete = missingEndings(ceremony, peers, endings, sites).length === 0
  const signed = () => {
    takeSignatures(ceremony, peers, endings, bundle)
    return sites.every((name) => endings.signatures.has(name)) ? true : undefined
  }
  await store.until(signed, complete ? left() : 1, options.signal)

  const path = bundlePath(authority.hash, authority.definition.kind)
  const cosignatures = new Map([...endings.cosignatures].map(([of, lines]) => [of, [...lines.values()]]))
  await writeBundle(ceremony, path, bundle, cosignatures, endings.signatures)
  await peers.flush(FAREWELL_MS)
  return { bundle: path, open: openPoints(ceremony, peers, endings, sites) }
}

/** The bundle that an earlier join of this site wrote over its closed log; undefined where there is none that is whole. */
export const keptBundle = async (ceremony: Ceremony): Promise<BundleReader | undefined> => {
  const { site, authority, seat, log } = ceremony
  const bytes = await site.home.disk.read(bundlePath(authority.hash, authority.definition.kind))
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

/** Whether nothing is missing from a bundle of these sites. */
export const isComplete = async (
  ceremony: Ceremony,
  bundle: BundleReader,
  sites: readonly SiteId[],
): Promise<boolean> => {
  for (const of of sites) {
    const signature = bundle.signatures.get(of)
    if (!bundle.manifest.logs.includes(of) || signature === undefined) return false
    if (!signatureHolds(ceremony, of, signature, bundle.manifestBytes)) return false
    const witnesses = (await cosignaturesIn(ceremony, bundle, of)).map(({ by }) => by)
    if (sites.some((by) => by !== of && !witnesses.includes(by))) return false
  }
  return true
}

/** Those that hold; their authors. */
const cosignaturesIn = async (
  ceremony: Ceremony,
  bundle: BundleReader,
  of: SiteId,
): Promise<readonly { readonly by: SiteId; readonly line: Uint8Array }[]> => {
  const checkpoint = fromUtf8(await bundle.checkpoint(of))
  const lines =
    fromUtf8(await bundle.cosigned(of))
      .slice(checkpoint.length)
      .match(/[^\n]*\n/g) ?? []
  return lines.flatMap((line) => {
    const witness = parseNote(`${checkpoint}${line}`).signatures.at(-1)?.name
    const by = ceremony.authority.roster.find(({ identity }) => witnessName(identity) === witness)?.name
    return by !== undefined && cosignatureHolds(ceremony, by, checkpoint, line) ? [{ by, line: utf8(line) }] : []
  })
}

/** What a bundle already has is heard as if its author said it again: it is checked like everything else. */
const resumeFromBundle = async (ceremony: Ceremony, peers: Peers, bundle: BundleReader): Promise<void> => {
  const said: { from: SiteId; message: CloseMessage }[] = []
  for (const from of bundle.manifest.logs) {
    if (from !== ceremony.seat.name)
      said.push({
        from,
        message: {
          is: 'log',
          events: await bundle.eventBytes(from),
          checkpoint: await bundle.checkpoint(from),
          ledger: await bundle.ledger(from),
        },
      })
    for (const { by, line } of await cosignaturesIn(ceremony, bundle, from))
      said.push({ from: by, message: { is: 'cosignature', of: from, line } })
  }
  for (const [from, signature] of bundle.signatures) said.push({ from, message: { is: 'manifest', bundle: signature } })
  peers.closeMessages.unshift(...said)
  for (const hash of bundle.objects) {
    const body = await bundle.object(hash)
    if (body !== undefined) peers.bodies.set(hash, body)
  }
}

/**
 * A site that has everything says its endings again, to others who come back without them: it waits a moment for them,
 * and where one is here until that one has signed its manifest too, or the close deadline.
 */
export const serveLatecomers = async (
  ceremony: Ceremony,
  peers: Peers,
  bundle: BundleReader,
  sites: readonly SiteId[],
): Promise<void> => {
  const { store, seat, options, authority } = ceremony
  const own = await closeLog(ceremony)
  const lines = new Map<SiteId, Uint8Array>()
  for (const of of sites)
    for (const { by, line } of await cosignaturesIn(ceremony, bundle, of)) if (by === seat.name) lines.set(of, line)
  const mine = bundle.signatures.get(seat.name)
  peers.whenConnected((name) => {
    peers.send(name, logMessage(own))
    for (const [of, line] of lines) peers.send(name, { is: 'cosignature', of, line })
    if (mine !== undefined) peers.send(name, { is: 'manifest', bundle: mine })
  })
  const needy = (): boolean =>
    sites.some(
      (name) =>
        peers.bySite.get(name)?.connected === true &&
        !peers.closeMessages.some(({ from, message }) => from === name && message.is === 'manifest'),
    )
  await store.until(() => needy() || undefined, HELP_MS, options.signal)
  await store.until(() => !needy() || undefined, authority.definition.deadlines.close * 1000, options.signal)
  await peers.flush(FAREWELL_MS)
}

type Outputs = ReadonlyMap<string, Uint8Array>

/** A bundle of this site alone, its log closed: what a ceremony leaves that this site itself ended. */
export const closeAndWriteOwnBundle = async (ceremony: Ceremony, outputs: Outputs): Promise<string> =>
  writeSingleLogBundle(ceremony, await closeLog(ceremony), outputs)

/**
 * A bundle of this site alone, its log still open: what a ceremony leaves that others ended. What this site promised in
 * it still binds it.
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
  await writeBundle(ceremony, path, bundle, new Map(), new Map([[seat.name, await signManifest(ceremony, bundle)]]))
  return path
}

const writeBundle = async (
  ceremony: Ceremony,
  path: string,
  bundle: UnsignedBundle,
  cosignatures: ReadonlyMap<SiteId, readonly string[]>,
  signatures: ReadonlyMap<SiteId, Uint8Array>,
): Promise<void> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of bundle.finish({ cosignatures, signatures })) chunks.push(chunk)
  await ceremony.site.home.disk.folder('bundles')
  await writeDurable(ceremony.site.home.disk, path, concat(...chunks))
}

const logMessage = (part: SiteExport): CloseMessage => ({
  is: 'log',
  events: part.events,
  checkpoint: utf8(part.checkpoint),
  ledger: part.ledger,
})

/** The log's last event and the ledger's word on it; both once, whatever crashes between. */
const closeLog = async (ceremony: Ceremony): Promise<SiteExport> => {
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

/** Takes in what peers said of closing, cosigns each log that is whole here, and asks for bodies that it names. */
const takeCloseMessages = async (
  ceremony: Ceremony,
  peers: Peers,
  endings: Endings,
  sites: readonly SiteId[],
  cosigning: Set<SiteId>,
): Promise<void> => {
  for (const { from, message } of peers.closeMessages) {
    if (message.is === 'log' && sites.includes(from) && !endings.parts.has(from)) {
      const part = await openLogMessage(ceremony, from, message)
      if (part !== undefined && !endings.parts.has(from)) endings.parts.set(from, part)
    }
    if (message.is === 'cosignature' && sites.includes(message.of))
      takeCosignature(ceremony, endings, from, message.of, message.line)
  }
  for (const [of, part] of endings.parts) {
    if (of === ceremony.seat.name || cosigning.has(of)) continue
    const held = heldBodies(ceremony, peers)
    const lacking = [...(await objectsOf(part.events))].filter((hash) => !held.has(hash))
    if (lacking.length > 0) {
      const fresh = lacking.filter((hash) => !peers.wanted.has(hash))
      for (const hash of fresh) peers.wanted.add(hash)
      if (fresh.length > 0) peers.send(of, { is: 'want', objects: fresh.map(fromHex) })
      continue
    }
    cosigning.add(of)
    const line = await cosignOnce(ceremony, of, part.checkpoint)
    if (line === undefined) continue
    nested(endings.cosignatures, of).set(ceremony.seat.name, line)
    peers.broadcast({ is: 'cosignature', of, line: utf8(line) })
    ceremony.store.changed()
  }
}

const heldBodies = (ceremony: Ceremony, peers: Peers): Set<Hash> => {
  const held = new Set(peers.bodies.keys())
  for (const event of ceremony.log.replay())
    if (event.object !== null && ceremony.log.body(event.object) !== undefined) held.add(event.object)
  return held
}

/** A peer's log as it closed it: signed by its log key, whole, and ended by `closing`. */
const openLogMessage = async (
  ceremony: Ceremony,
  from: SiteId,
  message: Extract<CloseMessage, { is: 'log' }>,
): Promise<SiteExport | undefined> => {
  const identity = ceremony.authority.member(from)?.identity
  if (identity === undefined) return undefined
  try {
    ledgerExcerptCodec.decode(message.ledger)
    const frontier = new Frontier()
    let last: string | undefined
    for await (const batch of readEvents([message.events]))
      for (const { event, leaf } of batch) {
        frontier.append(leaf)
        last = event.what
      }
    const origin = ceremonyOrigin(ceremony.authority.hash, identity)
    for (const key of ceremony.store.keys(from, 'log')) {
      const head = openCheckpoint(message.checkpoint, origin, key)
      if (head.size === frontier.size && equal(head.root, frontier.root()) && last === 'closing')
        return { events: message.events, checkpoint: fromUtf8(message.checkpoint), ledger: message.ledger }
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
  }
  return undefined
}

const takeCosignature = (ceremony: Ceremony, endings: Endings, by: SiteId, of: SiteId, line: Uint8Array): void => {
  const part = endings.parts.get(of)
  if (part === undefined || by === of || endings.cosignatures.get(of)?.has(by) === true) return
  try {
    const text = fromUtf8(line)
    if (cosignatureHolds(ceremony, by, part.checkpoint, text)) nested(endings.cosignatures, of).set(by, text)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
  }
}

const cosignatureHolds = (ceremony: Ceremony, by: SiteId, checkpoint: string, line: string): boolean => {
  const identity = ceremony.authority.member(by)?.identity
  if (identity === undefined) return false
  try {
    const note = parseNote(`${checkpoint}${line}`)
    const signature = note.signatures.at(-1)
    return (
      signature !== undefined &&
      note.signatures.length === parseNote(checkpoint).signatures.length + 1 &&
      ceremony.store
        .keys(by, 'cosign')
        .some((key) => verifyCosignature(note.text, signature, witnessName(identity), key) !== undefined)
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
const cosignOnce = async (ceremony: Ceremony, of: SiteId, checkpoint: string): Promise<string | undefined> => {
  const { site, authority, seat } = ceremony
  const path = `${ceremonyFolder(authority.hash)}/cosigned-${of}`
  const kept = await site.home.disk.read(path)
  if (kept !== undefined) {
    const text = fromUtf8(kept)
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

const signManifest = async (ceremony: Ceremony, bundle: UnsignedBundle): Promise<Uint8Array> => {
  const signed = await ceremony.site.identityKey.signer.sign(manifestCodec, bundle.manifest)
  return encodeSigstore(bundle.manifestBytes, signed.key, signed.signature)
}

const takeSignatures = (ceremony: Ceremony, peers: Peers, endings: Endings, bundle: UnsignedBundle): void => {
  for (const { from, message } of peers.closeMessages) {
    if (message.is !== 'manifest' || endings.signatures.has(from)) continue
    if (signatureHolds(ceremony, from, message.bundle, bundle.manifestBytes))
      endings.signatures.set(from, message.bundle)
  }
}

const signatureHolds = (ceremony: Ceremony, by: SiteId, signature: Uint8Array, manifest: Uint8Array): boolean => {
  const key = parseIdentity(ceremony.authority.member(by)?.identity ?? '')?.key
  if (key === undefined) return false
  try {
    openSigstore(signature, manifest, key)
    return true
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}

/** Sites whose log, bodies or cosignatures are not all here. */
const missingEndings = (
  ceremony: Ceremony,
  peers: Peers,
  endings: Endings,
  sites: readonly SiteId[],
): readonly SiteId[] =>
  sites.filter((name) => {
    if (!endings.parts.has(name)) return true
    const own = name === ceremony.seat.name
    const lines = sites.every((of) => of === name || endings.cosignatures.get(of)?.has(name) === true)
    return !lines || (!own && peers.wanted.size > 0)
  })

const openPoints = (
  ceremony: Ceremony,
  peers: Peers,
  endings: Endings,
  sites: readonly SiteId[],
): readonly string[] => [
  ...missingEndings(ceremony, peers, endings, sites).map((name) => `${name}: log or cosignature missing`),
  ...sites.filter((name) => !endings.signatures.has(name)).map((name) => `${name}: manifest signature missing`),
]

/** Runs `work` now or, where it runs, once more after. */
const oneAtATime = (work: () => Promise<void>, failed: (error: unknown) => void): (() => void) => {
  let running = false
  let again = false
  const run = async (): Promise<void> => {
    do {
      again = false
      await work()
    } while (again)
    running = false
  }
  return () => {
    again = running
    if (running) return
    running = true
    run().catch(failed)
  }
}

const nested = <K, V>(map: Map<K, Map<SiteId, V>>, key: K): Map<SiteId, V> => {
  const inner = map.get(key) ?? new Map<SiteId, V>()
  map.set(key, inner)
  return inner
}
