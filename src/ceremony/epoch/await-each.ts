import type { SiteId } from '../../lib/brand.ts'
import type { Member } from '../definition/authority.ts'
import type { Ceremony } from '../store/ceremony.ts'

/** Waits for every one of `members` to be in `got`. Returns false at the close deadline. */
export const awaitEach = async (
  { store, authority, options }: Ceremony,
  step: 'ready' | 'installed' | 'retired' | 'given' | 'witnessed' | 'replaced' | 'readmitted' | 'rebound',
  members: readonly Member[],
  got: () => readonly SiteId[],
): Promise<boolean> => {
  const total = members.length
  const look = (): true | undefined => {
    const here = got()
    const waiting = members.map(({ name }) => name).filter((name) => !here.includes(name))
    options.progress({ phase: 'step', step, got: here.length, total, waiting })
    return here.length === total ? true : undefined
  }
  return (await store.until(look, authority.terms.deadlines.close * 1000, options.signal)) === true
}
