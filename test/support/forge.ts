import { buildBundle } from '../../src/audit/bundle.ts'
import { openLog, readLog } from '../../src/audit/disk-log.ts'
import { exportLedger, exportLog, type SiteExport } from '../../src/audit/log-export.ts'
import { ceremonyOrigin, cosignLine, ledgerOrigin, parseNote, witnessName } from '../../src/audit/note.ts'
import { encodeSigstore } from '../../src/audit/sigstore.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { type RawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import { type Home, openHome } from '../../src/identity/home.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { fromUtf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Codec } from '../../src/records/codec.ts'
import { ceremonyId, type Definition, definitionCodec } from '../../src/records/definition.ts'
import type { LogEvent } from '../../src/records/event.ts'
import { ledgerExcerptCodec } from '../../src/records/ledger-excerpt.ts'
import { manifestCodec } from '../../src/records/manifest.ts'
import { memoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { type Chain, messageKeyIn, open } from './bundles.ts'

export type DraftEvent = Omit<LogEvent, 'seq'>

/** A bundle taken apart by somebody who owns the keys of all its sites, or of some. */
export interface Draft {
  definition: Definition
  readonly logs: Map<SiteId, DraftEvent[]>
  /** What each ledger says of this ceremony; the ending follows the log unless `keepEndings`. */
  readonly ledgers: Map<SiteId, DraftEvent[]>
  readonly objects: Map<Hash, Uint8Array>
  readonly outputs: Map<string, Uint8Array>
  /** Of, by. */
  readonly cosigners: Map<SiteId, Set<SiteId>>
  readonly signers: Set<SiteId>
  keepEndings: boolean
  readonly homes: ReadonlyMap<SiteId, Home>
  put(bytes: Uint8Array): Hash
  /** A record under a site's message key, as an object. */
  sign<T>(site: SiteId, codec: Codec<T>, value: T, key?: RawSigner): Promise<Hash>
  /** Puts an event into a log, before the first one of that name. */
  add(log: SiteId, event: Partial<DraftEvent> & Pick<DraftEvent, 'what'>, before?: LogEvent['what']): void
  /** Last changes to what a site adds, after it was signed. */
  readonly afterwards: Map<SiteId, (part: SiteExport) => SiteExport | Promise<SiteExport>>
  /** Lines beside the cosignatures that the owners of the keys make. */
  readonly extraLines: Map<SiteId, (checkpoint: string) => string>
  readonly forgedSignatures: Map<SiteId, (statement: Uint8Array) => Uint8Array>
  /** Names another object wherever a log names this one. */
  swap(old: Hash, by: Hash): void
  /** Objects that events of this name have, first named first. */
  named(what: LogEvent['what'], log?: SiteId): readonly Hash[]
  bytes(object: Hash): Uint8Array
}

const LOG = 'log'

const homesOf = async (chain: Chain): Promise<ReadonlyMap<SiteId, Home>> =>
  new Map(
    await Promise.all(
      [...chain.world.homes].map(async ([name, { disk }]) => [name as SiteId, await openHome(disk)] as const),
    ),
  )

const takeApart = async (chain: Chain, bundle: Uint8Array): Promise<Draft> => {
  const reader = await open(bundle)
  const { definition } = reader
  const homes = await homesOf(chain)
  const logs = new Map<SiteId, DraftEvent[]>()
  const ledgers = new Map<SiteId, DraftEvent[]>()
  const cosigners = new Map<SiteId, Set<SiteId>>()
  for (const site of reader.manifest.logs) {
    const events: DraftEvent[] = []
    for await (const batch of reader.events(site)) for (const { event } of batch) events.push(withoutPlace(event))
    logs.set(site, events)
    const part = ledgerExcerptCodec.decode(await reader.ledger(site))
    ledgers.set(
      site,
      part.events.map(({ event }) => withoutPlace(event)),
    )
    cosigners.set(site, new Set(reader.manifest.logs.filter((other) => other !== site)))
  }
  const objects = new Map<Hash, Uint8Array>()
  for (const hash of reader.objects) objects.set(hash, (await reader.object(hash)) ?? new Uint8Array())
  const outputs = new Map<string, Uint8Array>()
  for (const name of reader.outputs) outputs.set(name, (await reader.output(name)) ?? new Uint8Array())
  const draft: Draft = {
    definition,
    logs,
    ledgers,
    objects,
    outputs,
    cosigners,
    signers: new Set(reader.signatures.keys()),
    keepEndings: false,
    homes,
    put(bytes) {
      const hash = hashOf(bytes)
      objects.set(hash, bytes)
      return hash
    },
    async sign(site, codec, value, key = messageKeyIn(definition, site)) {
      return draft.put(toEnvelope(await recordSigner(site, key).sign(codec, value)))
    },
    add(log, event, before = 'closing') {
      const events = logs.get(log) ?? []
      const place = events.findIndex(({ what }) => what === before)
      const at = events[place]?.at ?? 0
      events.splice(place, 0, { at, ceremony: ceremonyId(definition), site: null, object: null, ...event })
    },
    afterwards: new Map(),
    extraLines: new Map(),
    forgedSignatures: new Map(),
    swap(old, by) {
      for (const events of logs.values())
        for (const [at, event] of events.entries()) if (event.object === old) events[at] = { ...event, object: by }
    },
    named: (what, log) => [
      ...new Set(
        [...logs].flatMap(([site, events]) =>
          log === undefined || log === site ? events.flatMap((e) => (e.what === what ? (e.object ?? []) : [])) : [],
        ),
      ),
    ],
    bytes: (object) => objects.get(object) ?? new Uint8Array(),
  }
  return draft
}

const withoutPlace = ({ at, what, ceremony, site, object }: LogEvent): DraftEvent => ({
  at,
  what,
  ceremony,
  site,
  object,
})

/** A log of these events as its site would have written it. */
const rewrite = async (events: readonly DraftEvent[], origin: string, home: Home) => {
  const log = await openLog({ disk: memoryDisk(), path: LOG, origin, signer: home.keys.log })
  for (const event of events) log.append(event)
  await log.barrier()
  return log
}

const homeOf = (draft: Draft, site: SiteId): Home => {
  const home = draft.homes.get(site)
  if (home === undefined) throw new Error(`no home ${site}`)
  return home
}

const partOf = async (chain: Chain, draft: Draft, site: SiteId): Promise<SiteExport> => {
  const home = homeOf(draft, site)
  const ceremony = ceremonyId(draft.definition)
  const log = await rewrite(draft.logs.get(site) ?? [], ceremonyOrigin(ceremony, home.identity), home)
  const disk = chain.world.homes.get(site)?.disk
  if (disk === undefined || log.head === undefined) throw new Error(`no home ${site}`)
  const origin = ledgerOrigin(home.identity)
  const before: DraftEvent[] = []
  const own = draft.ledgers.get(site) ?? []
  for (const event of (await readLog({ disk, path: 'ledger', origin, key: home.keys.log.key })).replay()) {
    if (event.ceremony === ceremony) break
    before.push(withoutPlace(event))
  }
  const { root } = log.head
  const said = own.map((e) => (e.what === 'log-closed' && !draft.keepEndings ? { ...e, object: root } : e))
  const ledger = await rewrite([...before, ...said], origin, home)
  return { ...exportLog(log), ledger: exportLedger(ledger, ceremony) }
}

/**
 * Takes a bundle of the chain apart, lets `edit` change it, and puts it together again with every signature that the
 * owner of the keys can make. `owned`: whose keys those are; of the others only what they signed before is left.
 */
export const forge = async (
  chain: Chain,
  bundle: Uint8Array,
  edit: (draft: Draft) => void | Promise<void>,
  owned?: readonly string[],
): Promise<Uint8Array> => {
  const draft = await takeApart(chain, bundle)
  const reader = await open(bundle)
  await edit(draft)
  const owns = (site: SiteId): boolean => owned === undefined || owned.includes(site)
  const sites = new Map<SiteId, SiteExport>()
  const cosignatures = new Map<SiteId, string[]>()
  for (const site of draft.logs.keys()) {
    const original: SiteExport = {
      events: await reader.eventBytes(site),
      checkpoint: fromUtf8(await reader.checkpoint(site)),
      ledger: await reader.ledger(site),
    }
    const signed = owns(site) ? await partOf(chain, draft, site) : original
    const part = (await draft.afterwards.get(site)?.(signed)) ?? signed
    sites.set(site, part)
    const same = part.checkpoint === original.checkpoint
    const old =
      fromUtf8(await reader.cosigned(site))
        .slice(original.checkpoint.length)
        .match(/[^\n]*\n/g) ?? []
    const lines: string[] = []
    for (const by of draft.cosigners.get(site) ?? []) {
      const witness = homeOf(draft, by)
      const name = witnessName(witness.identity)
      if (owns(by)) lines.push(cosignLine(parseNote(part.checkpoint).text, name, witness.keys.cosign, 1_800_000_000))
      else if (same) lines.push(...old.filter((line) => line.includes(name)))
    }
    const extra = draft.extraLines.get(site)?.(part.checkpoint)
    cosignatures.set(site, extra === undefined ? lines : [...lines, extra])
  }
  const { definition, objects, outputs } = draft
  const built = await buildBundle({
    definition: definitionCodec.encode(definition),
    sites,
    outputs,
    object: (hash) => objects.get(hash),
  })
  const signatures = new Map<SiteId, Uint8Array>()
  for (const site of draft.signers) {
    if (!owns(site)) continue
    const key = await homeOf(draft, site).unlock()
    const signed = await key.signer.sign(manifestCodec, built.manifest)
    signatures.set(site, encodeSigstore(built.manifestBytes, signed.key, signed.signature))
  }
  for (const [site, make] of draft.forgedSignatures) signatures.set(site, make(built.manifestBytes))
  const chunks: Uint8Array[] = []
  for await (const chunk of built.finish({ cosignatures, signatures })) chunks.push(chunk)
  return new Uint8Array(Buffer.concat(chunks))
}
