import type { BundleReader } from '../../audit/bundle.ts'
import { objectsOf, readPart, type SiteExport } from '../../audit/log-export.ts'
import { isIncluded, isSigned } from '../../audit/log-facts.ts'
import { Frontier } from '../../audit/merkle.ts'
import { ceremonyOrigin, ledgerOrigin, parseCheckpoint } from '../../audit/note.ts'
import { signableFrom } from '../../audit/signed-times.ts'
import { tooEarly } from '../../audit/times.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import { equal, fromUtf8, utf8 } from '../../lib/bytes.ts'
import { clockBounds } from '../../records/clock-bounds.ts'
import { DecodeError } from '../../records/codec.ts'
import type { LogEvent } from '../../records/event.ts'
import { ledgerExcerptCodec } from '../../records/ledger-excerpt.ts'
import type { CloseMessage, SaidAtClose } from '../peers/close-messages.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { cosignOnce, type Endings, nested, openedSignature, shownKeys, takeCosignature } from './cosign.ts'
import { cosignaturesIn } from './own-bundle.ts'

/** Takes the endings of a bundle as if their authors said them again: they are checked like everything else. */
export const resumeFromBundle = async (ceremony: Ceremony, peers: Peers, bundle: BundleReader): Promise<void> => {
  const said: SaidAtClose[] = []
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
  for (const [from, sigstore] of bundle.signatures) {
    const signature = openedSignature(ceremony, from, sigstore, bundle.manifestBytes)
    if (signature !== undefined) said.push({ from, message: { is: 'manifest', signature } })
  }
  peers.closeMessages.addFirst(said)
  for (const hash of bundle.objects) {
    const body = await bundle.object(hash)
    if (body !== undefined) peers.bodies.held.set(hash, body)
  }
}

export const logMessage = (part: SiteExport): CloseMessage => ({
  is: 'log',
  events: part.events,
  checkpoint: utf8(part.checkpoint),
  ledger: part.ledger,
})

/** Takes in what peers said of closing, cosigns each log that is whole here, and asks for bodies that it names. */
export const takeCloseMessages = async (
  ceremony: Ceremony,
  peers: Peers,
  endings: Endings,
  sites: readonly SiteId[],
  cosigning: Set<SiteId>,
): Promise<void> => {
  for (const said of [...peers.closeMessages.open()]) {
    const { from, message } = said
    if (message.is === 'log' && sites.includes(from)) {
      const part = endings.parts.has(from) ? undefined : await openLogMessage(ceremony, peers, from, message)
      if (part !== undefined && !endings.parts.has(from)) endings.parts.set(from, part)
      if (endings.parts.has(from)) peers.closeMessages.taken(said)
    }
    if (message.is === 'cosignature' && sites.includes(message.of)) {
      takeCosignature(ceremony, peers, endings, from, message.of, message.line)
      if (endings.cosignatures.get(message.of)?.has(from) === true) peers.closeMessages.taken(said)
    }
  }
  const isLacking = (hash: Hash): boolean => !peers.bodies.held.has(hash) && ceremony.log.body(hash) === undefined
  for (const [of, part] of endings.parts) {
    // While one that was asked for is on the way, the thousands of others are not looked for again.
    if (of === ceremony.seat.name || cosigning.has(of) || peers.bodies.someAwaited(of, isLacking)) continue
    const lacking = [...(await objectsOf(part.events))].filter(isLacking)
    if (lacking.length > 0) {
      peers.want(of, lacking)
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

/**
 * A peer's log as it closed it: whole, ended by `closing`, with its ledger's word; both under a log key whose
 * certificate will stand in the bundle. A log that `audit verify` would refuse of an ending is not taken in: it is as
 * if it had not come.
 */
const openLogMessage = async (
  ceremony: Ceremony,
  peers: Peers,
  from: SiteId,
  message: Extract<CloseMessage, { is: 'log' }>,
): Promise<SiteExport | undefined> => {
  const identity = ceremony.authority.member(from)?.identity
  if (identity === undefined) return undefined
  const { hash } = ceremony.authority
  try {
    const frontier = new Frontier()
    const logged = await readPart(message.events)
    const events = logged.map(({ event }) => event)
    for (const { leaf } of logged) frontier.append(leaf)
    const keys = shownKeys(ceremony, peers, from, 'log', await objectsOf(message.events))
    const head = parseCheckpoint(message.checkpoint)
    const ledger = ledgerExcerptCodec.decode(message.ledger)
    const holds =
      events.at(-1)?.what === 'closing' &&
      timesHold(ceremony, from, events) &&
      head.size === frontier.size &&
      equal(head.root, frontier.root()) &&
      isSigned(message.checkpoint, ceremonyOrigin(hash, identity), keys) &&
      isSigned(ledger.head, ledgerOrigin(identity), keys) &&
      isIncluded(ledger, parseCheckpoint(ledger.head), hash)
    if (holds) return { events: message.events, checkpoint: fromUtf8(message.checkpoint), ledger: message.ledger }
  } catch (error) {
    if (!(error instanceof DecodeError) && !(error instanceof RangeError) && !(error instanceof TypeError)) throw error
  }
  return undefined
}

/** Fits what its site signed before, as `audit verify` compares it, and does not end in what is still to come here. */
const timesHold = ({ authority, store, site }: Ceremony, from: SiteId, events: readonly LogEvent[]): boolean => {
  const slack = clockBounds(authority.definition).refuse * 1000
  const signable = (hash: Hash): number | undefined => {
    const attempt = store.attempts.get(hash)
    return attempt && signableFrom(from, attempt.value, (one) => store.hellosByHash.get(one)?.signed.value)
  }
  const end = site.machine.clock.now() + slack
  return tooEarly(events, signable, slack) === undefined && events.every(({ at }) => at <= end)
}

/**
 * Sites whose log, bodies or cosignatures are not all here. Nobody is missed for not cosigning a log that is not whole here
 * either: its own site may give what it names to nobody.
 */
export const missingEndings = (
  ceremony: Ceremony,
  peers: Peers,
  endings: Endings,
  sites: readonly SiteId[],
): readonly SiteId[] => {
  const isWhole = (name: SiteId): boolean =>
    endings.parts.has(name) && (name === ceremony.seat.name || !peers.bodies.lacks(name))
  return sites.filter(
    (name) =>
      !isWhole(name) ||
      sites.some((of) => of !== name && isWhole(of) && endings.cosignatures.get(of)?.has(name) !== true),
  )
}

export const openPoints = (
  ceremony: Ceremony,
  peers: Peers,
  endings: Endings,
  sites: readonly SiteId[],
): readonly string[] => [
  ...missingEndings(ceremony, peers, endings, sites).map((name) => `${name}: log or cosignature missing`),
  ...sites.filter((name) => !endings.signatures.has(name)).map((name) => `${name}: manifest signature missing`),
]

/** Runs `work` now or, where it runs, once more after. */
export const oneAtATime = (work: () => Promise<void>, failed: (error: unknown) => void): (() => void) => {
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
