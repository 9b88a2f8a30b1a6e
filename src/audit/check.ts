import type { Hash } from '../lib/brand.ts'
import type { LogEvent } from '../records/event.ts'
import type { BundleFacts } from './bundle-facts.ts'

export type CheckVerdict = 'holds' | 'fails' | 'open'

export interface Finding {
  readonly verdict: CheckVerdict
  /** One line for people; names of sites and numbers, nothing that a peer wrote. */
  readonly reason: string
  /** Hashes of what was looked at. */
  readonly inputs: readonly Hash[]
  /** Text of the group's line where all of the group holds; else `reason`. */
  readonly line?: string
  /** Participants that contradict themselves here, by name; an approver by the beginning of its identity. */
  readonly accused?: readonly string[]
}

/** The lines of the screen; each sums up the checks of its group. */
export const groups = [
  'definition',
  'identities',
  'log',
  'ledger',
  'attempts',
  'transcript',
  'possession',
  'votes',
  'signature',
  'release',
  'readmit',
  'rewrap',
  'blame',
  'manifest',
  'attestation',
  'time',
] as const
export type Group = (typeof groups)[number]

/**
 * Parts that must be in a bundle before a check has something to say: a result, claims of blame, aborts, either of
 * these two (or what only calls itself so), stated measurements; proofs, votes, statements of a signature, shares that
 * were given away, words on a new envelope and words that take a site back, which some kinds always have and which a log of any other may name; words
 * that these two were before.
 */
export type Need =
  | 'result'
  | 'claims'
  | 'aborts'
  | 'endings'
  | 'measurements'
  | 'proofs'
  | 'votes'
  | 'statements'
  | 'releases'
  | 'readmissions'
  | 'rewraps'
  | 'reconstructed'
  | 'readmitted'

export interface Check {
  /** Group and name. Never changes and is never used for another check. */
  readonly id: `${Group}.${string}`
  /** Left out: every bundle has what it needs. It is asked only where this is there. */
  readonly needs?: Need
  /** Open: the bundle is not whole, and no more than `incomplete`. */
  readonly completes?: true
  /** undefined: says nothing about a bundle of this kind. */
  run(facts: BundleFacts): Finding | undefined | Promise<Finding | undefined>
}

export const holds = (reason: string, inputs: readonly Hash[] = []): Finding => ({ verdict: 'holds', reason, inputs })
export const fails = (reason: string, inputs: readonly Hash[] = []): Finding => ({ verdict: 'fails', reason, inputs })
export const open = (reason: string, inputs: readonly Hash[] = []): Finding => ({ verdict: 'open', reason, inputs })

/**
 * Names participants that contradict themselves: an open point beside what the others made. Where they are a quorum, or
 * no log here is of anybody else, nobody is left to believe, and the check fails. A site whose log names a body that is
 * not here is not accused: whoever hands a bundle on can leave out what would show it honest.
 */
export const accuses = (
  { definition, logs, missing }: Pick<BundleFacts, 'definition' | 'logs' | 'missing'>,
  who: Iterable<string>,
  reason: string,
  inputs: readonly Hash[] = [],
): Finding => {
  const all = [...new Set(who)]
  const robbed = new Set<string>(missing.flatMap((one) => one.logs))
  const accused = all.filter((name) => !robbed.has(name))
  if (all.length > accused.length && accused.length === 0)
    return open(`${reason}; not all that ${names(all)} logged is here, and it may show otherwise`, inputs)
  const sites = definition.sites.filter(({ name }) => accused.includes(name)).length
  const others = [...logs.keys()].some((site) => !accused.includes(site))
  const stands = accused.length > 0 && sites < definition.threshold && others
  return { ...(stands ? open(reason, inputs) : fails(reason, inputs)), accused }
}

/** Under these names logs show the keys by which everything else is signed. */
const keyNames: readonly LogEvent['what'][] = ['certificate', 'joined']

/**
 * Fails, but is open where a body under one of these names, or the certificate of a key, is not here and may show otherwise:
 * whoever hands a bundle on can leave it out, and what was made is none the worse for it.
 */
export const failsUnlessMissing = (
  { missing }: Pick<BundleFacts, 'missing'>,
  what: readonly LogEvent['what'][],
  reason: string,
  inputs: readonly Hash[] = [],
): Finding => {
  const lacking = missing.filter((one) => what.includes(one.what) || keyNames.includes(one.what)).length
  if (lacking === 0) return fails(reason, inputs)
  return open(`${reason}; ${lacking} records that logs name are not here, and may show otherwise`, inputs)
}

/** Names in a reason: the first few. */
export const names = (list: Iterable<string>): string => {
  const all = [...new Set(list)]
  return all.length <= 4 ? all.join(', ') : `${all.slice(0, 4).join(', ')} and ${all.length - 4} more`
}
