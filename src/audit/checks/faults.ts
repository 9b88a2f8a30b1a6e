import type { LogEvent } from '../../records/event.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { type Finding, fails, holds } from '../check.ts'

/** Whether everything that logs name by these names is what it says; the first that is not. */
export const faulty = (facts: BundleFacts, what: readonly LogEvent['what'][], otherwise: string): Finding => {
  const found = facts.faults.filter((fault) => what.includes(fault.what))
  const [first] = found
  if (first === undefined) return holds(otherwise)
  const more = found.length === 1 ? '' : ` (and ${found.length - 1} more)`
  return fails(
    `${first.log} logged as ${first.what} what is not: ${first.why}${more}`,
    found.slice(0, 16).map(({ object }) => object),
  )
}
