import { clockBounds } from '../../records/clock-bounds.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { type Check, type Finding, fails, holds, names, open } from '../check.ts'
import type { HeldAttempt } from '../record-facts.ts'
import { lastWord } from '../times.ts'
import { isStarted } from './attempts.ts'

/**
 * Without a timestamp every time is its site's own claim; with `at` nothing may lie after it. Fewer than a quorum may say any
 * time: it takes a quorum, or all who took part.
 */
const stamped = (facts: BundleFacts): Finding => {
  const at = facts.at ?? Number.POSITIVE_INFINITY
  const seated = new Set([...facts.hellos.values()].map(({ site }) => site))
  const late = facts.words.filter((word) => (lastWord(word) ?? 0) > at).map(({ site }) => site)
  const tookPart = facts.words.filter(({ site }) => facts.logs.has(site) || seated.has(site)).map(({ site }) => site)
  if (late.length >= facts.definition.threshold || (late.length > 0 && tookPart.every((site) => late.includes(site))))
    return fails('the bundle ends after the time that was given')
  if (late.length > 0) return open(`by its own clock ${names(late)} signed something after the time that was given`)
  return open('not checked: no timestamp in the bundle')
}

/** Seconds by which the logs of its participants, and its coordinator, differ on when an attempt was signed. */
const spreadOf = ({ logs }: BundleFacts, { hash, value }: HeldAttempt): number => {
  const signed = [...logs.values()].flatMap(({ entries }) =>
    entries.flatMap(({ what, object, at }) => (what === 'attempt' && object === hash ? at : [])),
  )
  return (Math.max(value.at, ...signed) - Math.min(value.at, ...signed)) / 1000
}

/** All sign an attempt within one proposal deadline: by more than that their logs differ by their clocks alone. */
const compared = (facts: BundleFacts): Finding => {
  const { definition, attempts } = facts
  const spread = Math.max(0, ...[...attempts.values()].filter(isStarted).map((one) => spreadOf(facts, one)))
  const most = clockBounds(definition).warn + 1.5 * definition.deadlines.proposal
  const inputs = [...attempts.keys()].slice(0, 16)
  return spread <= most
    ? holds(`clocks were at most ${Math.ceil(spread)} s apart, by the logs here`, inputs)
    : open(`clocks were ${Math.ceil(spread)} s apart when an attempt was signed, by the logs here`, inputs)
}

export const timeChecks = [
  { id: 'time.stamped', run: stamped },
  { id: 'time.clocks', run: compared },
] as const satisfies readonly Check[]
