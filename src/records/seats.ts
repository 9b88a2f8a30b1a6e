import type { SiteId } from '../lib/brand.ts'
import type { Seats } from './kinds/kind.ts'

/**
 * Sites that may propose, in roster order. Of k candidates for t seats the first k−t+1 may: at most k−t can be silent
 * where t others are here, so one of the coordinators is here. All of a fixed roster sit, and the first proposes.
 */
export const coordinatorsOf = ({ candidates, count }: Seats): readonly SiteId[] =>
  candidates.slice(0, candidates.length - count + 1)

/**
 * Attempts after which t connected honest sites have their signature, however many of the k−t others are silent or lie:
 * each of k−t+1 coordinators has at most k−t+1 turns, one that each of the others spoils and one that none can.
 */
export const attemptsThatSuffice = (candidates: number, threshold: number): number =>
  Math.max(1, candidates - threshold + 1) ** 2
