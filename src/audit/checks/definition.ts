import type { Hash, Identity } from '../../lib/brand.ts'
import { approvalRule, missingApprovals } from '../../records/approval-rule.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, fails, holds, names, open } from '../check.ts'
import type { LogFacts } from '../log-facts.ts'
import { eventsOf, faulty } from './faults.ts'

/** Identities whose approval a log held before its first attempt; all that it holds where it shows none. */
const approvedIn = (facts: BundleFacts, log: LogFacts): ReadonlySet<Identity> => {
  const first = log.entries.find((entry) => entry.what === 'attempt')?.seq ?? Number.POSITIVE_INFINITY
  const objects = new Set(log.entries.filter((e) => e.what === 'approval' && e.seq < first).map((e) => e.object))
  return new Set(
    facts
      .held('approval')
      .filter(({ object }) => objects.has(object))
      .map(({ value }) => value.identity),
  )
}

const approved = (facts: BundleFacts): Finding => {
  const { definition } = facts
  const inputs = [facts.ceremony, ...facts.held('approval').map(({ object }) => object)]
  const { all, some, quorum } = approvalRule(definition)
  const wanted = all.length + quorum
  const given = new Set(facts.held('approval').map(({ value }) => value.identity))
  const attempted = [...facts.logs.values()].filter((log) => log.entries.some((entry) => entry.what === 'attempt'))
  const counted = [...all, ...some].filter((identity) => given.has(identity)).length
  if (attempted.length === 0)
    return holds(`one definition, approved by ${counted} of the ${wanted} it needs; no attempt was made`, inputs)
  const early = attempted.filter((log) => missingApprovals(definition, approvedIn(facts, log)).length > 0)
  const hasty = early.map((log) => log.site)
  if (hasty.length > 0)
    return accuses(facts, hasty, `${names(hasty)} began before all had approved that had to`, inputs)
  const number = some.length === 0 ? `${counted} of ${wanted}` : `${counted} where ${wanted} must`
  return holds(`one definition, approved by ${number} before the first attempt`, inputs)
}

const logged = (facts: BundleFacts): Finding => {
  const { ceremony, logs } = facts
  const without = [...logs.values()].filter(
    (log) => !log.entries.some((entry) => entry.what === 'definition' && entry.object === ceremony),
  )
  const other = [...logs.values()].filter((log) =>
    log.entries.some((entry) => entry.what === 'definition' && entry.object !== ceremony),
  )
  const sites = (list: readonly LogFacts[]) => list.map((log) => log.site)
  if (other.length > 0)
    return accuses(facts, sites(other), `${names(sites(other))} logged another definition`, [ceremony])
  if (without.length > 0)
    return accuses(facts, sites(without), `${names(sites(without))} logged no definition`, [ceremony])
  return holds('every log names this definition', [ceremony])
}

const sound = ({ evidence, definition, ceremony }: BundleFacts): Finding => {
  const [first, ...more] = evidence.faultsOf(definition)
  if (first === undefined) return holds('nothing in the definition contradicts itself', [ceremony])
  return fails(`${first}${more.length === 0 ? '' : ` (and ${more.length} more)`}`, [ceremony])
}

/** An approval given after its own site left would be none; one time for each is enough to say so. */
const inWindow = ({ definition, held }: BundleFacts): Finding => {
  const approvals = held('approval')
  const inputs: readonly Hash[] = approvals.map(({ object }) => object)
  const late = approvals.filter(({ value }) => value.at > Date.parse(definition.window.closes))
  return late.length === 0
    ? holds('approved while the window was not over, by the approvers’ own clocks', inputs)
    : open('an approval was given after the window closed, by its own clock', inputs)
}

export const definitionChecks = [
  { id: 'definition.approved', run: approved },
  { id: 'definition.logged', run: logged },
  { id: 'definition.sound', run: sound },
  {
    id: 'definition.approvals',
    run: (facts) => faulty(facts, eventsOf('definition.approvals'), 'every approval is its identity’s own'),
  },
  { id: 'definition.approved-in-time', run: inWindow },
] as const satisfies readonly Check[]
