import { type KeyWord, sayOfKey } from '../ceremony/epoch/suspended.ts'
import { systemClock } from '../host/clock.ts'
import type { Hash } from '../lib/brand.ts'
import { reasonGiven } from './abort-reason.ts'
import { atHome } from './at-home.ts'
import { closing, type HomeSession } from './home-session.ts'
import { showKey } from './keys.ts'

export const noteSuspension = async ({ ledger }: Pick<HomeSession, 'ledger'>, word: KeyWord): Promise<null> => {
  await sayOfKey(ledger, systemClock, { ...word, reason: reasonGiven(word.reason) })
  return null
}

/**
 * Suspends a key at this site, or resumes it; durable when it resolves, also for joins that run: they say nothing more with
 * it. Throws E_NOT_FOUND where this home holds no share of such a key.
 */
export const suspendKey = async (
  home: string,
  wanted: { readonly key: string; readonly reason: string; readonly suspended: boolean },
): Promise<KeyWord & { readonly name: string; readonly threshold: number; readonly fenced: Hash | null }> => {
  const { key, name, threshold, fenced } = await showKey(home, wanted.key)
  const word = { key, reason: reasonGiven(wanted.reason), suspended: wanted.suspended }
  const at = await atHome(home, { do: 'suspend', ...word })
  if ('owned' in at) await closing(at.owned, (owned) => noteSuspension(owned, word))
  return { ...word, name, threshold, fenced }
}
