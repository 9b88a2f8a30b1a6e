import type { Hash, SiteId } from '../lib/brand.ts'
import { toHex } from '../lib/bytes.ts'
import type { Attempt, Hello } from '../records/attempt.ts'
import { clockBounds } from '../records/clock-bounds.ts'
import type { BundleFacts } from './bundle-facts.ts'
import type { Entry, LogFacts } from './log-facts.ts'
import { tooEarly, type Word } from './times.ts'
import { type Witnesses, witnessesOf } from './witnesses.ts'

type Facts = Omit<BundleFacts, 'words'>

/**
 * Earliest time at which a site can have signed an attempt, by its own records alone: its hello came first, and a
 * coordinator wrote the time itself.
 */
export const signableFrom = (
  site: SiteId,
  { coordinator, at, participants }: Attempt,
  hello: (hash: Hash) => Hello | undefined,
): number | undefined => {
  const seat = participants.find((one) => one.site === site)
  if (seat === undefined) return undefined
  const clock = hello(seat.hello)?.clock
  return coordinator === site ? Math.max(at, clock ?? at) : clock
}

/** The event by which a log contradicts what its own site signed. */
export const timeFault = (
  { definition, attempts, hellos }: Pick<BundleFacts, 'definition' | 'attempts' | 'hellos'>,
  { site, entries }: Pick<LogFacts, 'site' | 'entries'>,
): Entry | undefined =>
  tooEarly(
    entries,
    (hash) => {
      const attempt = attempts.get(hash)
      return attempt && signableFrom(site, attempt.value, (one) => ownHello(hellos, site, one))
    },
    clockBounds(definition).refuse * 1000,
  )

const ownHello = (hellos: BundleFacts['hellos'], site: SiteId, hash: Hash): Hello | undefined => {
  const held = hellos.get(hash)
  return held?.site === site ? held.value : undefined
}

/** Times of the records that each site signed, by that site. */
const recordTimes = ({ hellos, attempts, held }: Facts): readonly (readonly [SiteId, number])[] => [
  ...[...hellos.values()].map(({ site, value }) => [site, value.clock] as const),
  // The others who signed it took the coordinator's word.
  ...[...attempts.values()].flatMap(({ value, signers }) =>
    signers.has(value.coordinator) ? [[value.coordinator, value.at] as const] : [],
  ),
  // An approver has no site, and no clock that was compared with any.
  ...[...held('approval'), ...held('aborted')].flatMap(({ author, value }) =>
    author.site === null ? [] : [[author.site, value.at] as const],
  ),
]

/** Undefined of a log that is no witness. */
const endOfLog = (facts: Facts, log: LogFacts): number | undefined =>
  timeFault(facts, log) === undefined ? log.entries.reduce((end, { at }) => Math.max(end, at), 0) : undefined

const closedWhole = ({ last, checkpoint, root }: LogFacts): boolean =>
  last?.what === 'closing' && checkpoint !== undefined && toHex(checkpoint.root) === root

/** The word of every site of the roster, of those too that say nothing. */
export const wordsOf = async (facts: Facts): Promise<readonly Word[]> => {
  const said = new Map<SiteId, number>()
  for (const [site, at] of recordTimes(facts)) said.set(site, Math.max(at, said.get(site) ?? at))
  const witnesses = new Map<SiteId, Witnesses>()
  for (const log of facts.logs.values())
    if (closedWhole(log)) witnesses.set(log.site, await witnessesOf(facts, log.site))
  return facts.roster.map(({ name }) => {
    const log = facts.logs.get(name)
    return {
      site: name,
      said: said.get(name),
      log: log && endOfLog(facts, log),
      cosigned: new Map(
        [...witnesses].flatMap(([of, { by }]) => {
          const at = by.get(name)
          return at === undefined ? [] : [[of, at] as const]
        }),
      ),
    }
  })
}
