import { buildBundle, type UnsignedBundle } from '../audit/bundle.ts'
import { Frontier } from '../audit/merkle.ts'
import { ceremonyOrigin, cosignLine, openCheckpoint, parseNote, verifyCosignature, witnessName } from '../audit/note.ts'
import { ledgerPart, logPart, objectsOf, readEvents, type SitePart } from '../audit/parts.ts'
import { encodeSigstore, openSigstore } from '../audit/sigstore.ts'
import { parseIdentity } from '../identity/identity.ts'
import type { Hash, SiteId } from '../lib/brand.ts'
import { concat, equal, fromHex, fromUtf8, utf8 } from '../lib/bytes.ts'
import { writeDurable } from '../lib/durable.ts'
import { DecodeError } from '../records/codec.ts'
import { definitionCodec } from '../records/definition.ts'
import { ledgerPartCodec } from '../records/ledger-part.ts'
import { manifestCodec } from '../records/manifest.ts'
import type { Ceremony } from './ceremony.ts'
import { bundlePath, ceremonyFolder } from './home-paths.ts'
import type { CloseTalk, Room } from './room.ts'

export interface Closed {
  /** Path of the bundle in this home. */
  readonly bundle: string
  /** What is missing from it, in words; empty: complete. */
  readonly open: readonly string[]
}

/** What this site holds of everybody's endings. */
interface Endings {
  readonly parts: Map<SiteId, SitePart>
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
  room: Room,
  sites: readonly SiteId[],
  outputs: ReadonlyMap<string, Uint8Array>,
): Promise<Closed> => {
  const { book, seat, options, authority, site } = ceremony
  const { clock } = site.machine
  const own = await closeLog(ceremony)
  const endings: Endings = { parts: new Map([[seat.name, own]]), cosignatures: new Map(), signatures: new Map() }
  const tell = (): void => room.tellAll(logTalk(own))
  room.whenConnected((name) => {
    room.tell(name, logTalk(own))
    for (const [of, lines] of endings.cosignatures) {
      const line = lines.get(seat.name)
      if (line !== undefined) room.tell(name, { is: 'cosignature', of, line: utf8(line) })
    }
    const mine = endings.signatures.get(seat.name)
    if (mine !== undefined) room.tell(name, { is: 'manifest', bundle: mine })
  })
  tell()

  const until = clock.monotonic() + authority.definition.deadlines.close * 1000
  const left = (): number => Math.max(1, until - clock.monotonic())
  const cosigning = new Set<SiteId>()
  const take = oneAtATime(() => takeTalk(ceremony, room, endings, sites, cosigning))
  await book.until(
    () => {
      take()
      const missing = missingEndings(ceremony, room, endings, sites)
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
    object: (hash) => ceremony.log.body(hash) ?? room.bodies.get(hash),
  })
  const mine = await signManifest(ceremony, bundle)
  endings.signatures.set(seat.name, mine)
  room.tellAll({ is: 'manifest', bundle: mine })
  const complete = missingEndings(ceremony, room, endings, sites).length === 0
  const signed = () => {
    takeSignatures(ceremony, room, endings, bundle)
    return sites.every((name) => endings.signatures.has(name)) ? true : undefined
  }
  await book.until(signed, complete ? left() : 1, options.signal)

  const path = bundlePath(authority.hash, authority.definition.kind)
  const cosignatures = new Map([...endings.cosignatures].map(([of, lines]) => [of, [...lines.values()]]))
  await writeBundle(ceremony, path, bundle, cosignatures, endings.signatures)
  await room.flush(5000)
  return { bundle: path, open: openPoints(ceremony, room, endings, sites) }
}

/** A bundle of this site alone: what an aborted ceremony leaves. */
export const closeAlone = async (ceremony: Ceremony): Promise<string> => {
  const { authority, seat } = ceremony
  const own = await closeLog(ceremony)
  const bundle = await buildBundle({
    definition: definitionCodec.encode(authority.definition),
    sites: new Map([[seat.name, own]]),
    outputs: new Map(),
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

const logTalk = (part: SitePart): CloseTalk => ({
  is: 'log',
  events: part.events,
  checkpoint: utf8(part.checkpoint),
  ledger: part.ledger,
})

/** The log's last event and the ledger's word on it; both once, whatever crashes between. */
const closeLog = async (ceremony: Ceremony): Promise<SitePart> => {
  const { log, site, authority } = ceremony
  if (!ceremony.closed) ceremony.note('closing')
  const checkpoint = await log.barrier()
  const path = `${ceremonyFolder(authority.hash)}/closing-ledger`
  const kept = await site.home.disk.read(path)
  if (kept !== undefined) return { ...logPart(log), ledger: kept }
  const said = [...site.ledger.replay()].some(
    (event) => event.what === 'log-closed' && event.ceremony === authority.hash,
  )
  if (!said) ceremony.noteLedger('log-closed', checkpoint.root)
  await site.ledger.barrier()
  const ledger = ledgerPart(site.ledger, authority.hash)
  await writeDurable(site.home.disk, path, ledger)
  return { ...logPart(log), ledger }
}

/** Takes in what peers said of closing, cosigns each log that is whole here, and asks for bodies that it names. */
const takeTalk = async (
  ceremony: Ceremony,
  room: Room,
  endings: Endings,
  sites: readonly SiteId[],
  cosigning: Set<SiteId>,
): Promise<void> => {
  for (const { from, talk } of room.closeTalk) {
    if (talk.is === 'log' && sites.includes(from) && !endings.parts.has(from)) {
      const part = await openLogTalk(ceremony, from, talk)
      if (part !== undefined && !endings.parts.has(from)) endings.parts.set(from, part)
    }
    if (talk.is === 'cosignature' && sites.includes(talk.of))
      takeCosignature(ceremony, endings, from, talk.of, talk.line)
  }
  for (const [of, part] of endings.parts) {
    if (of === ceremony.seat.name || cosigning.has(of)) continue
    const held = heldBodies(ceremony, room)
    const lacking = [...(await objectsOf(part.events))].filter((hash) => !held.has(hash))
    if (lacking.length > 0) {
      const fresh = lacking.filter((hash) => !room.wanted.has(hash))
      for (const hash of fresh) room.wanted.add(hash)
      if (fresh.length > 0) room.tell(of, { is: 'want', objects: fresh.map(fromHex) })
      continue
    }
    cosigning.add(of)
    const line = await cosignOnce(ceremony, of, part.checkpoint)
    nested(endings.cosignatures, of).set(ceremony.seat.name, line)
    room.tellAll({ is: 'cosignature', of, line: utf8(line) })
    ceremony.book.changed()
  }
}

const heldBodies = (ceremony: Ceremony, room: Room): Set<Hash> => {
  const held = new Set(room.bodies.keys())
  for (const event of ceremony.log.replay())
    if (event.object !== null && ceremony.log.body(event.object) !== undefined) held.add(event.object)
  return held
}

/** A peer's log as it closed it: signed by its log key, whole, and ended by `closing`. */
const openLogTalk = async (
  ceremony: Ceremony,
  from: SiteId,
  talk: Extract<CloseTalk, { is: 'log' }>,
): Promise<SitePart | undefined> => {
  const identity = ceremony.authority.member(from)?.identity
  if (identity === undefined) return undefined
  try {
    ledgerPartCodec.decode(talk.ledger)
    const frontier = new Frontier()
    let last: string | undefined
    for await (const batch of readEvents([talk.events]))
      for (const { event, leaf } of batch) {
        frontier.append(leaf)
        last = event.what
      }
    const origin = ceremonyOrigin(ceremony.authority.hash, identity)
    for (const key of ceremony.book.keys(from, 'log')) {
      const head = openCheckpoint(talk.checkpoint, origin, key)
      if (head.size === frontier.size && equal(head.root, frontier.root()) && last === 'closing')
        return { events: talk.events, checkpoint: fromUtf8(talk.checkpoint), ledger: talk.ledger }
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
  }
  return undefined
}

const takeCosignature = (ceremony: Ceremony, endings: Endings, by: SiteId, of: SiteId, line: Uint8Array): void => {
  const part = endings.parts.get(of)
  const member = ceremony.authority.member(by)
  if (part === undefined || member === undefined || by === of || endings.cosignatures.get(of)?.has(by) === true) return
  try {
    const text = fromUtf8(line)
    const note = parseNote(`${part.checkpoint}${text}`)
    const signature = note.signatures.at(-1)
    const holds =
      signature !== undefined &&
      note.signatures.length === parseNote(part.checkpoint).signatures.length + 1 &&
      ceremony.book
        .keys(by, 'cosign')
        .some((key) => verifyCosignature(note.text, signature, witnessName(member.identity), key) !== undefined)
    if (holds) nested(endings.cosignatures, of).set(by, text)
  } catch (error) {
    if (!(error instanceof DecodeError) && !(error instanceof TypeError)) throw error
  }
}

/** This site's cosignature over a checkpoint, given once: its time differs with every giving, and bundles are to be equal. */
const cosignOnce = async (ceremony: Ceremony, of: SiteId, checkpoint: string): Promise<string> => {
  const { site, authority, seat } = ceremony
  const path = `${ceremonyFolder(authority.hash)}/cosigned-${of}`
  const kept = await site.home.disk.read(path)
  if (kept !== undefined) {
    const text = fromUtf8(kept)
    if (text.startsWith(checkpoint)) return text.slice(checkpoint.length)
  }
  const line = cosignLine(
    parseNote(checkpoint).text,
    witnessName(seat.identity),
    site.home.keys.cosign,
    Math.floor(site.machine.clock.now() / 1000),
  )
  if (kept === undefined) await writeDurable(site.home.disk, path, utf8(`${checkpoint}${line}`))
  return line
}

const signManifest = async (ceremony: Ceremony, bundle: UnsignedBundle): Promise<Uint8Array> => {
  const signed = await ceremony.site.identityKey.signer.sign(manifestCodec, bundle.manifest)
  return encodeSigstore(bundle.manifestBytes, signed.key, signed.signature)
}

const takeSignatures = (ceremony: Ceremony, room: Room, endings: Endings, bundle: UnsignedBundle): void => {
  for (const { from, talk } of room.closeTalk) {
    const key = parseIdentity(ceremony.authority.member(from)?.identity ?? '')?.key
    if (talk.is !== 'manifest' || endings.signatures.has(from) || key === undefined) continue
    try {
      openSigstore(talk.bundle, bundle.manifestBytes, key)
      endings.signatures.set(from, talk.bundle)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
}

/** Sites whose log, bodies or cosignatures are not all here. */
const missingEndings = (
  ceremony: Ceremony,
  room: Room,
  endings: Endings,
  sites: readonly SiteId[],
): readonly SiteId[] =>
  sites.filter((name) => {
    if (!endings.parts.has(name)) return true
    const own = name === ceremony.seat.name
    const lines = sites.every((of) => of === name || endings.cosignatures.get(of)?.has(name) === true)
    return !lines || (!own && room.wanted.size > 0)
  })

const openPoints = (ceremony: Ceremony, room: Room, endings: Endings, sites: readonly SiteId[]): readonly string[] => [
  ...missingEndings(ceremony, room, endings, sites).map((name) => `${name}: log or cosignature missing`),
  ...sites.filter((name) => !endings.signatures.has(name)).map((name) => `${name}: manifest signature missing`),
]

/** Runs `work` now or, where it runs, once more after; a fault in it is thrown by the next call. */
const oneAtATime = (work: () => Promise<void>): (() => void) => {
  let running = false
  let again = false
  let fault: unknown
  const run = async (): Promise<void> => {
    do {
      again = false
      await work()
    } while (again)
    running = false
  }
  return () => {
    if (fault !== undefined) throw fault
    again = running
    if (running) return
    running = true
    run().catch((error: unknown) => {
      fault = error
    })
  }
}

const nested = <K, V>(map: Map<K, Map<SiteId, V>>, key: K): Map<SiteId, V> => {
  const inner = map.get(key) ?? new Map<SiteId, V>()
  map.set(key, inner)
  return inner
}
