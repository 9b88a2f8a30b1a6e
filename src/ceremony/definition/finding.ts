import { QuorateError } from '../../lib/errors.ts'

/** A fault of a definition, or a point that deserves a second look. Rules have names that never change. */
export interface Finding {
  readonly level: 'error' | 'warning'
  readonly rule: string
  /** As `sites[1].identity`. */
  readonly place: string
  readonly message: string
}

export const error = (rule: string, place: string, message: string): Finding => ({
  level: 'error',
  rule,
  place,
  message,
})
export const warning = (rule: string, place: string, message: string): Finding => ({
  level: 'warning',
  rule,
  place,
  message,
})

/** Throws E_DEFINITION for the first error. */
export const refuseErrors = (findings: readonly Finding[]): void => {
  const errors = findings.filter((one) => one.level === 'error')
  const [first] = errors
  if (first === undefined) return
  const more = errors.length === 1 ? '' : ` (and ${errors.length - 1} more)`
  throw new QuorateError(
    'E_DEFINITION',
    `${first.place}: ${first.message}${more}`,
    'plan it again; an approved definition is never mended in place',
    { findings },
  )
}
