import { recordKind } from '../../records/definition.ts'
import type { LogEvent } from '../../records/event.ts'
import { recordNames, recordTable } from '../../records/record-table.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, holds } from '../check.ts'

/** Looks for a logged record under these names that is not as it says. Returns the first. */
export const faulty = (facts: BundleFacts, what: readonly LogEvent['what'][], otherwise: string): Finding => {
  const found = facts.faults.filter((fault) => what.includes(fault.what))
  const [first] = found
  if (first === undefined) return holds(otherwise)
  const more = found.length === 1 ? '' : ` (and ${found.length - 1} more)`
  return accuses(
    facts,
    found.flatMap(({ logs }) => logs),
    `${first.logs.join(' and ')} logged as ${first.what} what is not: ${first.why}${more}`,
    found.slice(0, 16).map(({ object }) => object),
  )
}

/** Events of the signed records that a check answers for, as the record table has it. */
export const eventsOf = (id: Check['id']): readonly LogEvent['what'][] =>
  recordNames.filter((name) => recordTable[name].reported === id).map((name) => recordTable[name].event)

/** Bodies that nobody signs by themselves. */
const unsigned: readonly LogEvent['what'][] = ['outcome', 'record']

/** The same with the unsigned bodies: statements of a signature rest on them, and in every other kind votes do. */
export const answersFor = (definition: BundleFacts['definition'], id: Check['id']): readonly LogEvent['what'][] => {
  const resting = recordKind(definition).makes === 'signature' ? 'signature.records' : 'votes.records'
  return id === resting ? [...unsigned, ...eventsOf(id)] : eventsOf(id)
}
