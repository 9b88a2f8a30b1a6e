import type { Line } from '../term.ts'

/** Lines of the screens that are particular to one kind of ceremony. */
export interface CliKind<D> {
  /** What the ceremony makes, and what of it people must have seen; stands first. */
  about(definition: D): readonly Line[]
  /** Who takes part, and what it builds on; stands after the sites. */
  uses(definition: D): readonly Line[]
  /** Whose approval it waits for, in words; approvers without a share are named by others. */
  whoApproves(definition: D): string
}
