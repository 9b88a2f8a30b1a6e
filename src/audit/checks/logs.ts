import type { Hash, SiteId } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import { DecodeError } from '../../records/codec.ts'
import type { LogFacts, World } from '../bundle-facts.ts'
import { type Check, type Finding, fails, holds, names, open } from '../check.ts'
import { parseNote, verifyCosignature, witnessName } from '../note.ts'

const roots = ({ logs }: World): readonly Hash[] => [...logs.values()].map(({ root }) => root)

const whole = (world: World): Finding => {
  const logs = [...world.logs.values()]
  const unread = logs.find((log) => log.readFault !== undefined)
  if (unread !== undefined) return fails(`the log of ${unread.site} is no list of events: ${unread.readFault}`)
  const other = logs.filter(
    ({ checkpoint, size, root }) =>
      checkpoint === undefined || checkpoint.size !== size || toHex(checkpoint.root) !== root,
  )
  if (other.length > 0)
    return fails(`not the events that its checkpoint signs: ${names(other.map(({ site }) => site))}`, roots(world))
  if (logs.length === 0) return fails('no log is here')
  const sizes = world.roster.flatMap(({ name }) => {
    const log = world.logs.get(name)
    return log === undefined ? [] : [`${name} ${log.size}`]
  })
  return {
    ...holds(`${sizes.join(', ')} events, each log whole`, roots(world)),
    line: `${sizes.join(', ')} events; complete, in order, cosigned by all`,
  }
}

const signed = (world: World): Finding => {
  const bad = [...world.logs.values()].filter((log) => !log.signed).map(({ site }) => site)
  return bad.length === 0
    ? holds('every checkpoint is signed by the key that its identity certified for logs', roots(world))
    : fails(`checkpoint not signed by a log key of ${names(bad)}`, roots(world))
}

const ordered = (world: World): Finding => {
  const bad = [...world.logs.values()].find(({ orderFault }) => orderFault !== undefined)
  return bad === undefined
    ? holds('events stand in an order that a ceremony can have', roots(world))
    : fails(`the log of ${bad.site}, ${bad.orderFault}`, [bad.root])
}

export const isClosed = (log: LogFacts | undefined): boolean => log?.last?.what === 'closing'

const closed = (world: World): Finding => {
  const unfinished = [...world.logs.values()].filter((log) => !isClosed(log)).map(({ site }) => site)
  return unfinished.length === 0
    ? holds('every log ends in closing', roots(world))
    : open(`not closed: ${names(unfinished)}`, roots(world))
}

/** Sites that signed an attempt whose signatures are complete: their logs belong here. */
export const tookPart = ({ attempts, roster }: World): readonly SiteId[] => {
  const sites = new Set(
    [...attempts.values()]
      .filter(({ value, signers }) => value.participants.every(({ site }) => signers.has(site)))
      .flatMap(({ value }) => value.participants.map(({ site }) => site)),
  )
  return roster.map(({ name }) => name).filter((name) => sites.has(name))
}

const present = (world: World): Finding => {
  const absent = tookPart(world).filter((site) => !world.logs.has(site))
  return absent.length === 0
    ? holds('the log of every site that took part is here')
    : open(`no log of ${names(absent)}: ask that site, then audit merge`)
}

const bodies = ({ missing }: World): Finding =>
  missing.length === 0
    ? holds('every record that a log names is here')
    : open(
        `${missing.length} records named by ${names(missing.map(({ log }) => log))} are not here`,
        missing.slice(0, 16).map(({ object }) => object),
      )

const named = ({ bundle, logs }: World): Finding => {
  const known = new Set([...logs.values()].flatMap((log) => log.entries.map(({ object }) => object)))
  const free = bundle.objects.filter((object) => !known.has(object))
  return free.length === 0
    ? holds('nothing is here that no log names')
    : fails(`${free.length} records are here that no log names`, free.slice(0, 16))
}

/** Records that a site makes durable in its own log before anybody else sees them. */
const promises: ReadonlySet<string> = new Set(['attempt-signature', 'staged', 'ready', 'installed', 'result'])

/** A log that was cut, or written anew, lacks what others hold of its site. */
const kept = (world: World): Finding => {
  const lost = new Map<SiteId, Hash[]>()
  const own = new Map([...world.logs].map(([site, log]) => [site, new Set(log.entries.map(({ object }) => object))]))
  for (const log of world.logs.values())
    for (const { what, object } of log.entries) {
      // By its signature: a log may name a record of its own as another's.
      const site = object === null ? undefined : world.authors.get(object)
      if (site === undefined || object === null || !promises.has(what)) continue
      if (own.get(site)?.has(object) !== false) continue
      lost.set(site, [...(lost.get(site) ?? []), object])
    }
  return lost.size === 0
    ? holds('each log has everything that others hold of its site', roots(world))
    : fails(`the log of ${names(lost.keys())} lacks what others hold of it`, [...lost.values()].flat().slice(0, 16))
}

interface Witnesses {
  readonly by: ReadonlySet<SiteId>
  readonly bad: string | undefined
}

const witnessesOf = async ({ bundle, roster, keys }: World, site: SiteId): Promise<Witnesses> => {
  const by = new Set<SiteId>()
  try {
    const note = parseNote(await bundle.cosigned(site))
    for (const signature of note.signatures.slice(1)) {
      const witness = roster.find(({ identity }) => witnessName(identity) === signature.name)
      if (witness === undefined || witness.name === site) return { by, bad: 'a witness that is no other site' }
      const holdsUnder = keys(witness.identity, 'cosign').some(
        (key) => verifyCosignature(note.text, signature, signature.name, key) !== undefined,
      )
      if (!holdsUnder) return { by, bad: `a cosignature of ${witness.name} that does not verify` }
      if (by.has(witness.name)) return { by, bad: `two cosignatures of ${witness.name}` }
      by.add(witness.name)
    }
    return { by, bad: undefined }
  } catch (error) {
    if (error instanceof DecodeError) return { by, bad: error.message }
    throw error
  }
}

const cosigned = async (world: World): Promise<Finding> => {
  const part = tookPart(world)
  const lacking: string[] = []
  for (const site of world.logs.keys()) {
    const { by, bad } = await witnessesOf(world, site)
    if (bad !== undefined) return fails(`the log of ${site} bears ${bad}`, roots(world))
    const absent = part.filter((other) => other !== site && !by.has(other))
    // A spare closes alone: nobody waited for it.
    if (isClosed(world.logs.get(site)) && part.includes(site))
      lacking.push(...absent.map((other) => `${site}’s log by ${other}`))
  }
  return lacking.length === 0
    ? holds('every closed log is cosigned by all others who took part', roots(world))
    : open(`not cosigned: ${names(lacking)}`, roots(world))
}

export const logChecks: readonly Check[] = [
  { id: 'log.whole', run: whole },
  { id: 'log.signed', run: signed },
  { id: 'log.ordered', run: ordered },
  { id: 'log.kept', run: kept },
  { id: 'log.closed', run: closed },
  { id: 'log.present', run: present },
  { id: 'log.bodies', run: bodies },
  { id: 'log.named', run: named },
  { id: 'log.cosigned', run: cosigned },
]
