import type { BundleFacts } from '../bundle-facts.ts'
import { type Check, type Finding, fails, names, open } from '../check.ts'
import { lastWord } from '../times.ts'

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

export const timeChecks = [{ id: 'time.stamped', run: stamped }] as const satisfies readonly Check[]
