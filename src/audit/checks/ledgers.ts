import type { Hash, SiteId } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import { DecodeError } from '../../records/codec.ts'
import type { LogEvent } from '../../records/event.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, fails, failsUnlessMissing, holds, names, open } from '../check.ts'
import { isIncluded, type LedgerFacts, type LogFacts } from '../log-facts.ts'
import { ledgerOrigin, openCheckpoint, type TreeHead } from '../note.ts'
import { isClosed } from './logs.ts'

const heads = ({ ledgers }: BundleFacts): readonly Hash[] =>
  [...ledgers.values()].flatMap(({ head }) => (head === undefined ? [] : [toHex(head.root) as Hash]))

const included = (facts: BundleFacts): Finding => {
  const bad = [...facts.ledgers]
    .filter(([, { part, head }]) => head === undefined || !isIncluded(part, head, facts.ceremony))
    .map(([site]) => site)
  return bad.length === 0
    ? holds('what the ledgers say of this ceremony is included under their heads', heads(facts))
    : fails(`not included under its ledger’s head: ${names(bad)}`, heads(facts))
}

const signed = (facts: BundleFacts): Finding => {
  const bad = [...facts.ledgers].filter(([, ledger]) => !ledger.signed).map(([site]) => site)
  return bad.length === 0
    ? holds('every ledger head is signed by the key that its identity certified for logs', heads(facts))
    : failsUnlessMissing(facts, [], `ledger head not signed by a log key of ${names(bad)}`, heads(facts))
}

/** Objects of events of the log's own site. */
const own = (log: LogFacts, what: LogEvent['what']): readonly Hash[] =>
  log.entries
    .filter((entry) => entry.what === what && (entry.site === null || entry.site === log.site))
    .flatMap(({ object }) => object ?? [])

/** Attempts, votes and the ending, as the ledger has them and as everybody else's records do. */
const compare = (facts: BundleFacts, site: SiteId, log: LogFacts, { part }: LedgerFacts): Finding | undefined => {
  const said = (what: LogEvent['what']): readonly (Hash | null)[] =>
    part.events.filter(({ event }) => event.what === what).map(({ event }) => event.object)
  const votes = new Set(facts.ready.filter((one) => one.site === site).map(({ value }) => value.record))
  if (said('ready').some((object) => votes.size > 0 && object !== null && !votes.has(object)))
    return accuses(facts, [site], `the ledger of ${site} says another vote than its log`, heads(facts))
  const endings = said('log-closed')
  if (endings.length > 1 || endings.some((object) => !isClosed(log) || object !== log.root))
    return accuses(facts, [site], `the ledger of ${site} says another ending of its log`, heads(facts))
  // A crash between the two logs leaves one of them ahead: nothing that was shown to others, so no more than a question.
  if (said('attempt-signed').join() !== own(log, 'attempt').join())
    return open(`the ledger of ${site} does not list the attempts that its log has`, heads(facts))
  if (![...votes].every((record) => said('ready').includes(record)) || (votes.size === 0 && said('ready').length > 0))
    return open(`the ledger of ${site} and its log do not both have its vote`, heads(facts))
  if (isClosed(log) && endings.length === 0)
    return open(`the ledger of ${site} does not say that its log was closed`, heads(facts))
  return undefined
}

const agrees = (facts: BundleFacts): Finding => {
  const found = [...facts.ledgers].flatMap(([site, ledger]) => {
    const log = facts.logs.get(site)
    return (log && compare(facts, site, log, ledger)) ?? []
  })
  return (
    found.find(({ verdict }) => verdict === 'fails') ??
    found.find(({ accused }) => accused !== undefined) ??
    found[0] ??
    holds('each ledger says what its site’s log says', heads(facts))
  )
}

const headIn = async (facts: BundleFacts, site: SiteId, object: Hash): Promise<TreeHead | undefined> => {
  const identity = facts.seat(site)?.identity
  const bytes = await facts.bundle.object(object)
  if (identity === undefined || bytes === undefined) return undefined
  for (const key of facts.keys(identity, 'log')) {
    try {
      return openCheckpoint(bytes, ledgerOrigin(identity), key)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return undefined
}

const opened = async (facts: BundleFacts): Promise<Finding> => {
  const inputs: Hash[] = []
  const unknown: SiteId[] = []
  for (const log of facts.logs.values()) {
    const [object] = own(log, 'opened')
    if (object !== undefined && (await facts.bundle.object(object)) === undefined) {
      unknown.push(log.site)
      continue
    }
    const head = object && (await headIn(facts, log.site, object))
    const last = facts.ledgers.get(log.site)?.head
    if (object !== undefined) inputs.push(object)
    if (head === undefined)
      return accuses(facts, [log.site], `the log of ${log.site} does not open with its ledger’s head`, inputs)
    if (last !== undefined && !fits(head, last))
      return accuses(facts, [log.site], `the ledger of ${log.site} is older than when its log was opened`, inputs)
  }
  return unknown.length === 0
    ? holds('each log hangs from its site’s ledger', inputs)
    : open(`the head that the log of ${names(unknown)} opens with is not here`, inputs)
}

/** As far as two heads without a proof between them can tell. */
const fits = (older: TreeHead, newer: TreeHead): boolean =>
  older.size < newer.size || (older.size === newer.size && toHex(older.root) === toHex(newer.root))

/** A ledger's head as its site signed it, and the object or root by which a finding names it. */
interface Said {
  readonly size: number
  readonly root: Hash
  readonly input: Hash
}

/**
 * Heads in the hellos of attempts that their site signed: said before its log was closed, whoever keeps them. Other words
 * of a site may be of any time: a peer can keep its log open and bring them back from a later ceremony.
 */
const saidBefore = (facts: BundleFacts, site: SiteId): readonly Said[] =>
  [...facts.attempts.values()]
    .filter(({ signers }) => signers.has(site))
    .flatMap(({ value }) => value.participants.filter((one) => one.site === site))
    .flatMap(({ hello }) => {
      const held = facts.hellos.get(hello)
      return held === undefined || held.site !== site ? [] : [{ ...held.value.ledger, input: held.object }]
    })

/** Two of these heads that no one ledger has both of. */
const forkIn = (said: readonly Said[]): readonly [Said, Said] | undefined => {
  const bySize = new Map<number, Said>()
  for (const one of said) {
    const known = bySize.get(one.size) ?? one
    if (known.root !== one.root) return [known, one]
    bySize.set(one.size, known)
  }
  return undefined
}

/** The heads of each ledger that other sites logged. */
const seenByPeers = async (facts: BundleFacts): Promise<ReadonlyMap<SiteId, readonly Said[]> | Finding> => {
  const seen = new Map<SiteId, Said[]>()
  for (const log of facts.logs.values())
    for (const { what, site, object } of log.entries) {
      if ((what !== 'peer-ledger' && what !== 'first-contact') || site === null || object === null) continue
      const head = await headIn(facts, site, object)
      if (head === undefined && (await facts.bundle.object(object)) !== undefined)
        return accuses(facts, [log.site], `${log.site} logged as ${site}’s ledger head what ${site} did not sign`, [
          object,
        ])
      const said = head === undefined ? [] : [{ size: head.size, root: toHex(head.root) as Hash, input: object }]
      seen.set(site, [...(seen.get(site) ?? []), ...said])
    }
  return seen
}

const firstContacts = ({ logs }: BundleFacts): number =>
  [...logs.values()].flatMap(({ entries }) => entries.filter(({ what }) => what === 'first-contact')).length

/**
 * A ledger head that others saw during the ceremony lies before the head that its site shows at the end. A larger head
 * is no proof that it does not: the site may have shown it later, elsewhere.
 */
const remembered = async (facts: BundleFacts): Promise<Finding> => {
  const seen = await seenByPeers(facts)
  if ('verdict' in seen) return seen
  const later: SiteId[] = []
  for (const { name } of facts.roster) {
    const [shown, before, ledger] = [seen.get(name) ?? [], saidBefore(facts, name), facts.ledgers.get(name)]
    const head = ledger?.signed === true ? ledger.head : undefined
    const root = head && (toHex(head.root) as Hash)
    const ending = head && root ? [{ size: head.size, root, input: root }] : []
    const fork = forkIn([...shown, ...before, ...ending])
    const inputs = fork?.map(({ input }) => input)
    if (fork !== undefined)
      return accuses(facts, [name], `${name} signed two ledgers of ${fork[0].size} events`, inputs)
    const isBehind = ({ size }: Said): boolean => head !== undefined && size > head.size
    const started = before.find(isBehind)
    if (started !== undefined)
      return accuses(facts, [name], `${name} shows an older ledger than it signed an attempt with`, [started.input])
    if (shown.some(isBehind)) later.push(name)
  }
  const inputs = [...new Set([...seen.values()].flatMap((said) => said.map(({ input }) => input)))]
  if (later.length > 0)
    return open(`peers saw a larger ledger of ${names(later)} than it ended with, and nothing here says when`, inputs)
  return holds(`no ledger went back behind what its peers saw of it; ${firstContacts(facts)} first contacts`, inputs)
}

/** A ledger's excerpt in a bundle bears no signature of its own, so nobody is named for it. */
const decoded = ({ faults }: BundleFacts): Finding => {
  const bad = faults.filter(({ what }) => what === 'log-closed').flatMap(({ logs }) => logs)
  return bad.length === 0
    ? holds('every ledger part decodes')
    : fails(`the ledger part of ${names(bad)} does not decode`)
}

export const ledgerChecks = [
  { id: 'ledger.included', run: included },
  { id: 'ledger.signed', run: signed },
  { id: 'ledger.agrees', run: agrees },
  { id: 'ledger.opened', run: opened },
  { id: 'ledger.remembered', run: remembered },
  { id: 'ledger.records', run: decoded },
] as const satisfies readonly Check[]
