import { buildBundle } from '../../audit/bundle.ts'
import type { SiteId } from '../../lib/brand.ts'
import { utf8 } from '../../lib/bytes.ts'
import { definitionCodec } from '../../records/definition.ts'
import { bundlePath } from '../paths.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { type Endings, signManifest, takeSignatures } from './cosign.ts'
import { logMessage, missingEndings, oneAtATime, openPoints, resumeFromBundle, takeCloseMessages } from './exchange.ts'
import { closeLog, keptBundle, writeBundle } from './own-bundle.ts'

export interface Closed {
  /** Path of the bundle in this home. */
  readonly bundle: string
  /** The parts that are missing from it, in words; empty: complete. */
  readonly open: readonly string[]
}

/** How long the last words may take to reach the others: several tries, also on a wire that was cut in between. */
export const FAREWELL_MS = 10_000

/**
 * Ends this site's log, exchanges logs, cosignatures and manifest signatures with the others who took part, and writes
 * the bundle. A site that is silent here leaves an open point; nothing that was made is held back for it.
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
  let signature: Uint8Array | undefined
  const log = logMessage(own)
  // Those who are here are told now, those who come back when they do.
  peers.whenConnected((name) => {
    peers.send(name, log)
    for (const [of, lines] of endings.cosignatures) {
      const line = lines.get(seat.name)
      if (line !== undefined) peers.send(name, { is: 'cosignature', of, line: utf8(line) })
    }
    if (signature !== undefined) peers.send(name, { is: 'manifest', signature })
  })

  const until = clock.monotonic() + authority.terms.deadlines.close * 1000
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
    object: (hash) => ceremony.log.body(hash) ?? peers.bodies.held.get(hash),
  })
  const mine = await signManifest(ceremony, bundle)
  signature = mine.signature
  endings.signatures.set(seat.name, mine.sigstore)
  peers.broadcast({ is: 'manifest', signature })
  const complete = missingEndings(ceremony, peers, endings, sites).length === 0
  const signed = () => {
    takeSignatures(ceremony, peers, endings, bundle)
    return sites.every((name) => endings.signatures.has(name)) ? true : undefined
  }
  await store.until(signed, complete ? left() : 1, options.signal)

  const path = bundlePath(authority.hash, authority.kind)
  const cosignatures = new Map([...endings.cosignatures].map(([of, lines]) => [of, [...lines.values()]]))
  await writeBundle(ceremony, path, bundle, cosignatures, endings.signatures)
  await peers.flush(FAREWELL_MS)
  return { bundle: path, open: openPoints(ceremony, peers, endings, sites) }
}
