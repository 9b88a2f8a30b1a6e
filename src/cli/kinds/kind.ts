import type { Line } from '../term.ts'

/** Lines of the screens that are particular to one kind of ceremony. */
export interface CliKind<D> {
  /** The ceremony's purpose, and all of it that people must have seen; stands first. */
  about(definition: D): readonly Line[]
  /** The participants, and the record that it builds on; stands after the sites. */
  uses(definition: D): readonly Line[]
  /** The approvals that it waits for, in words; approvers without a share are named by others. */
  whoApproves(definition: D): string
}
