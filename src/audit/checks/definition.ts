import type { Hash, Identity } from '../../lib/brand.ts'
import { approvalRule, missingApprovals } from '../../records/approval-rule.ts'
import type { BundleFacts, LogFacts } from '../bundle-facts.ts'
import { type Check, type Finding, fails, holds, names, open } from '../check.ts'
import { faulty } from './faults.ts'

/** Identities whose approval a log held before its first attempt; all that it holds where it shows none. */
const approvedIn = (facts: BundleFacts, log: LogFacts): ReadonlySet<Identity> => {
  const first = log.entries.find((entry) => entry.what === 'attempt')?.seq ?? Number.POSITIVE_INFINITY
  const objects = new Set(log.entries.filter((e) => e.what === 'approval' && e.seq < first).map((e) => e.object))
  return new Set(facts.approvals.filter(({ object }) => objects.has(object)).map(({ value }) => value.identity))
}

const approved = (facts: BundleFacts): Finding => {
  const { definition } = facts
  const inputs = [facts.ceremony, ...facts.approvals.map(({ object }) => object)]
  const { all, some, quorum } = approvalRule(definition)
  const wanted = all.length + quorum
  const given = new Set(facts.approvals.map(({ value }) => value.identity))
  const attempted = [...facts.logs.values()].filter((log) => log.entries.some((entry) => entry.what === 'attempt'))
  const counted = [...all, ...some].filter((identity) => given.has(identity)).length
  if (attempted.length === 0)
    return holds(`one definition, approved by ${counted} of the ${wanted} it needs; no attempt was made`, inputs)
  const early = attempted.filter((log) => missingApprovals(definition, approvedIn(facts, log)).length > 0)
  if (early.length > 0)
    return fails(`${names(early.map((log) => log.site))} began before all had approved that had to`, inputs)
  const number = some.length === 0 ? `${counted} of ${wanted}` : `${counted} where ${wanted} must`
  return holds(`one definition, approved by ${number} before the first attempt`, inputs)
}

const logged = ({ ceremony, logs }: BundleFacts): Finding => {
  const without = [...logs.values()].filter(
    (log) => !log.entries.some((entry) => entry.what === 'definition' && entry.object === ceremony),
  )
  const other = [...logs.values()].filter((log) =>
    log.entries.some((entry) => entry.what === 'definition' && entry.object !== ceremony),
  )
  if (other.length > 0) return fails(`${names(other.map((log) => log.site))} logged another definition`, [ceremony])
  if (without.length > 0) return fails(`${names(without.map((log) => log.site))} logged no definition`, [ceremony])
  return holds('every log names this definition', [ceremony])
}

const sound = ({ evidence, definition, ceremony }: BundleFacts): Finding => {
  const [first, ...more] = evidence.faultsOf(definition)
  if (first === undefined) return holds('nothing in the definition contradicts itself', [ceremony])
  return fails(`${first}${more.length === 0 ? '' : ` (and ${more.length} more)`}`, [ceremony])
}

/** An approval given after its own site left would be none; one time for each is enough to say so. */
const inWindow = ({ definition, approvals }: BundleFacts): Finding => {
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
  { id: 'definition.approvals', run: (facts) => faulty(facts, ['approval'], 'every approval is its identity’s own') },
  { id: 'definition.approved-in-time', run: inWindow },
] as const satisfies readonly Check[]
