import type { SiteId } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'

/**
 * The most that a bundle may hold. A ceremony of 32 sites whose hundred attempts all fail late leaves about as much; what is
 * larger is refused by its size before it fills the memory of whoever reads it.
 */

export const MOST_FILES = 200_000
/** In all logs of a bundle together. */
const MOST_EVENTS = 2 ** 20

/** Counts the events of several logs, which are read at once; throws over `most`. */
export const eventCounter = (most = MOST_EVENTS): ((site: SiteId, read: number) => void) => {
  const counts = new Map<SiteId, number>()
  return (site, read) => {
    counts.set(site, read)
    if ([...counts.values()].reduce((sum, one) => sum + one, 0) > most)
      throw tooLarge(`more than ${most} events in its logs`)
  }
}

/** A bundle beyond a limit: nothing is said of its contents. */
export const tooLarge = (what: string): QuorateError =>
  new QuorateError(
    'E_BUNDLE',
    `the bundle holds more than this version reads: ${what}`,
    'no ceremony leaves so much: ask the sites for the bundle that they wrote',
  )
