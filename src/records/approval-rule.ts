import type { Identity } from '../lib/brand.ts'
import { type Definition, recordKind } from './definition.ts'
import type { ApprovalRule } from './kinds/kind.ts'

/**
 * The approvals that are needed: see the rows of the kind table. Approvers that a definition lists must all approve,
 * whatever its kind.
 */
export const approvalRule = (definition: Definition): ApprovalRule => recordKind(definition).approvals(definition)

/** Approvals wanted still: of each of `all`, and of any `quorum` of `some`. */
export const wantedApprovals = (definition: Definition, approved: ReadonlySet<Identity>): ApprovalRule => {
  const { all, some, quorum } = approvalRule(definition)
  const absent = (ids: readonly Identity[]) => ids.filter((id) => !approved.has(id))
  const left = Math.max(0, quorum - (some.length - absent(some).length))
  return { all: absent(all), some: left === 0 ? [] : absent(some), quorum: left }
}

/** True where the approval of this identity counts. */
export const isAsked = (definition: Definition, identity: Identity): boolean => {
  const { all, some } = approvalRule(definition)
  return all.includes(identity) || some.includes(identity)
}

/** Identities whose approval would count still; empty where the rule is met. */
export const missingApprovals = (definition: Definition, approved: ReadonlySet<Identity>): readonly Identity[] => {
  const { all, some } = wantedApprovals(definition, approved)
  return [...all, ...some]
}
