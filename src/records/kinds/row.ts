import { type ErrorCode, QuorateError } from '../../lib/errors.ts'
import { printable } from '../../lib/printable.ts'

/** Where a kind was read, and who finds a version that knows it. */
interface Refusal {
  readonly code: ErrorCode
  readonly read: string
  readonly hint: string
}

export const inDefinition: Refusal = {
  code: 'E_DEFINITION',
  read: 'a definition',
  hint: 'use the version that it was planned with, or a newer one',
}

export const inBundle: Refusal = {
  code: 'E_BUNDLE',
  read: 'a bundle',
  hint: 'verify it with the version that the sites ran, or a newer one',
}

/**
 * The row of a kind in the table of one layer, which `cannot` do what it is for without one. Throws by the kind's name
 * where there is none: what a layer does not know is never passed over.
 */
export const rowOfKind = <T extends object>(rows: T, kind: string, cannot: string, refusal: Refusal): T[keyof T] => {
  if (Object.hasOwn(rows, kind)) return rows[kind as keyof T]
  const { code, read, hint } = refusal
  throw new QuorateError(code, `${read} of a ${printable(kind)} ceremony, which this version cannot ${cannot}`, hint)
}
