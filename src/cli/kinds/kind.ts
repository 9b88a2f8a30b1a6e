import type { Seen } from '../../site/seen.ts'
import type { Line } from '../term.ts'

/** Lines of the screens that are particular to one kind of ceremony. */
export interface CliKind<D> {
  /** The ceremony's purpose; stands first. */
  about(definition: D): readonly Line[]
  /** The record that it builds on; stands after the sites. */
  uses(definition: D): readonly Line[]
  /** All that a person must have seen who says yes: who acts, on what content, its name. Stands last, above the question. */
  decides(definition: D, seen: Seen): readonly Line[]
  /** The approvals that it waits for, in words; approvers without a share are named by others. */
  whoApproves(definition: D): string
}
