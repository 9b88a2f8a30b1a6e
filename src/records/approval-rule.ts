import type { Identity } from '../lib/brand.ts'
import type { Definition } from './definition.ts'

/** Who must approve: every one of `all`, and `quorum` of `some`. The one table that lint, join and verify read. */
export interface ApprovalRule {
  readonly all: readonly Identity[]
  readonly some: readonly Identity[]
  readonly quorum: number
}

const sites = (definition: Definition): readonly Identity[] => definition.sites.map((site) => site.identity)

/** Approvers that a definition lists must all approve, whatever its kind: people put them there to be asked. */
export const approvalRule = (definition: Definition): ApprovalRule => {
  switch (definition.kind) {
    case 'keygen':
      return { all: [...sites(definition), ...definition.approvers], some: [], quorum: 0 }
    case 'sign': {
      if (definition.signers === 'any')
        return { all: definition.approvers, some: sites(definition), quorum: definition.threshold }
      const named = new Set<string>(definition.signers)
      const signers = definition.sites.filter((site) => named.has(site.name)).map((site) => site.identity)
      return { all: [...signers, ...definition.approvers], some: [], quorum: 0 }
    }
  }
}

/** Approvals wanted still: of each of `all`, and of any `quorum` of `some`. */
export const wantedApprovals = (definition: Definition, approved: ReadonlySet<Identity>): ApprovalRule => {
  const { all, some, quorum } = approvalRule(definition)
  const absent = (ids: readonly Identity[]) => ids.filter((id) => !approved.has(id))
  const left = Math.max(0, quorum - (some.length - absent(some).length))
  return { all: absent(all), some: left === 0 ? [] : absent(some), quorum: left }
}

/** Whose approval would count still; empty where the rule is met. */
export const missingApprovals = (definition: Definition, approved: ReadonlySet<Identity>): readonly Identity[] => {
  const { all, some } = wantedApprovals(definition, approved)
  return [...all, ...some]
}
