import type { Hash, SiteId } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import { recordNames, recordTable } from '../../records/record-table.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, fails, failsUnlessMissing, holds, names, open } from '../check.ts'
import { auditKind, resultOf } from '../kinds/index.ts'
import type { LogFacts } from '../log-facts.ts'
import { timeFault } from '../signed-times.ts'
import { witnessesOf } from '../witnesses.ts'

const roots = ({ logs }: BundleFacts): readonly Hash[] => [...logs.values()].map(({ root }) => root)

const whole = (facts: BundleFacts): Finding => {
  const logs = [...facts.logs.values()]
  const unread = logs.find((log) => log.readFault !== undefined)
  if (unread !== undefined) return fails(`the log of ${unread.site} is no list of events: ${unread.readFault}`)
  const other = logs.filter(
    ({ checkpoint, size, root }) =>
      checkpoint === undefined || checkpoint.size !== size || toHex(checkpoint.root) !== root,
  )
  if (other.length > 0)
    return fails(`not the events that its checkpoint signs: ${names(other.map(({ site }) => site))}`, roots(facts))
  if (logs.length === 0) return fails('no log is here')
  const sizes = facts.roster.flatMap(({ name }) => {
    const log = facts.logs.get(name)
    return log === undefined ? [] : [`${name} ${log.size}`]
  })
  return {
    ...holds(`${sizes.join(', ')} events, each log whole`, roots(facts)),
    line: `${sizes.join(', ')} events; complete, in order, cosigned by all`,
  }
}

const signed = (facts: BundleFacts): Finding => {
  const bad = [...facts.logs.values()].filter((log) => !log.signed).map(({ site }) => site)
  return bad.length === 0
    ? holds('every checkpoint is signed by the key that its identity certified for logs', roots(facts))
    : failsUnlessMissing(facts, [], `checkpoint not signed by a log key of ${names(bad)}`, roots(facts))
}

const ordered = (facts: BundleFacts): Finding => {
  const bad = [...facts.logs.values()].filter(({ orderFault }) => orderFault !== undefined)
  const [first] = bad
  return first === undefined
    ? holds('events stand in an order that a ceremony can have', roots(facts))
    : accuses(
        facts,
        bad.map(({ site }) => site),
        `the log of ${first.site}, ${first.orderFault}`,
        bad.map(({ root }) => root),
      )
}

/** A site cannot have signed an attempt before the hello that it named in it: such a log was written anew. */
const timed = (facts: BundleFacts): Finding => {
  const bad = [...facts.logs.values()].filter((log) => timeFault(facts, log) !== undefined)
  const sites = bad.map(({ site }) => site)
  return bad.length === 0
    ? holds('no log has an attempt before its site can have signed it', roots(facts))
    : accuses(
        facts,
        sites,
        `the log of ${names(sites)} has an attempt earlier than the hello that it was signed with`,
        bad.map(({ root }) => root),
      )
}

export const isClosed = (log: LogFacts | undefined): boolean => log?.last?.what === 'closing'

/**
 * A site closes its log over what was made, or over why nothing was: its own word that it leaves, or proof. Where a body is
 * not here, nobody can say which of them it was.
 */
const closed = (facts: BundleFacts): Finding => {
  const ended = [...facts.logs.values()].filter(isClosed).map(({ site }) => site)
  if (ended.length > 0 && resultOf(facts) === undefined && facts.aborts.length + facts.blames.length === 0) {
    const { kind } = facts.definition
    const what = `the log of ${names(ended)} is closed, and nothing that a ${kind} ceremony makes is here, nor why it ended`
    return facts.missing.length > 0
      ? open(`${what}: ${facts.missing.length} records that logs name are not here`, roots(facts))
      : accuses(facts, ended, what, roots(facts))
  }
  const unfinished = [...facts.logs.values()].filter((log) => !isClosed(log)).map(({ site }) => site)
  return unfinished.length === 0
    ? holds('every log ends in closing', roots(facts))
    : open(`not closed: ${names(unfinished)}`, roots(facts))
}

/** Sites that signed an attempt whose signatures are complete: their logs belong here. */
const tookPart = ({ attempts, roster }: BundleFacts): readonly SiteId[] => {
  const sites = new Set(
    [...attempts.values()]
      .filter(({ value, signers }) => value.participants.every(({ site }) => signers.has(site)))
      .flatMap(({ value }) => value.participants.map(({ site }) => site)),
  )
  return roster.map(({ name }) => name).filter((name) => sites.has(name))
}

const present = (facts: BundleFacts): Finding => {
  const absent = tookPart(facts).filter((site) => !facts.logs.has(site))
  return absent.length === 0
    ? holds('the log of every site that took part is here')
    : open(`no log of ${names(absent)}: ask that site, then audit merge`)
}

const bodies = ({ missing }: BundleFacts): Finding =>
  missing.length === 0
    ? holds('every record that a log names is here')
    : open(
        `${missing.length} records named by ${names(missing.flatMap((one) => one.logs))} are not here`,
        missing.slice(0, 16).map(({ object }) => object),
      )

const named = ({ bundle, logs, definition }: BundleFacts): Finding => {
  const { outputs } = auditKind(definition)
  if (bundle.outputs.some((name) => !outputs.includes(name)))
    return fails(`an output is here that no ${definition.kind} ceremony has`)
  const known = new Set([...logs.values()].flatMap((log) => log.entries.map(({ object }) => object)))
  const free = bundle.objects.filter((object) => !known.has(object))
  return free.length === 0
    ? holds('nothing is here that no log names')
    : fails(`${free.length} records are here that no log names`, free.slice(0, 16))
}

/** Records that a site makes durable in its own log before anybody else sees them. */
const promises: ReadonlySet<string> = new Set(
  recordNames.filter((name) => recordTable[name].durable).map((name) => recordTable[name].event),
)

/** A log that was cut, or written anew, lacks what others hold of its site. */
const kept = (facts: BundleFacts): Finding => {
  const lost = new Map<SiteId, Hash[]>()
  const own = new Map([...facts.logs].map(([site, log]) => [site, new Set(log.entries.map(({ object }) => object))]))
  for (const log of facts.logs.values())
    for (const { what, object } of log.entries) {
      // By its signature: a log may name a record of its own as another's.
      const site = object === null ? undefined : facts.authors.get(object)
      if (site === undefined || object === null || !promises.has(what)) continue
      if (own.get(site)?.has(object) !== false) continue
      lost.set(site, [...(lost.get(site) ?? []), object])
    }
  return lost.size === 0
    ? holds('each log has everything that others hold of its site', roots(facts))
    : accuses(
        facts,
        lost.keys(),
        `the log of ${names(lost.keys())} lacks what others hold of it`,
        [...lost.values()].flat().slice(0, 16),
      )
}

const cosigned = async (facts: BundleFacts): Promise<Finding> => {
  const part = tookPart(facts)
  const lacking: string[] = []
  for (const site of facts.logs.keys()) {
    const { by, bad } = await witnessesOf(facts, site)
    if (bad !== undefined) return failsUnlessMissing(facts, [], `the log of ${site} bears ${bad}`, roots(facts))
    const absent = part.filter((other) => other !== site && !by.has(other))
    // A spare closes alone: nobody waited for it.
    if (isClosed(facts.logs.get(site)) && part.includes(site))
      lacking.push(...absent.map((other) => `${site}’s log by ${other}`))
  }
  return lacking.length === 0
    ? holds('every closed log is cosigned by all others who took part', roots(facts))
    : open(`not cosigned: ${names(lacking)}`, roots(facts))
}

export const logChecks = [
  { id: 'log.whole', run: whole },
  { id: 'log.signed', run: signed },
  { id: 'log.ordered', run: ordered },
  { id: 'log.timed', run: timed },
  { id: 'log.kept', run: kept },
  { id: 'log.closed', run: closed },
  { id: 'log.present', completes: true, run: present },
  { id: 'log.bodies', completes: true, run: bodies },
  { id: 'log.named', run: named },
  { id: 'log.cosigned', completes: true, run: cosigned },
] as const satisfies readonly Check[]
