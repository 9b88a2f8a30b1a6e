import { suspendedIn } from '../ceremony/epoch/suspended.ts'
import { systemClock } from '../host/clock.ts'
import type { Hash } from '../lib/brand.ts'
import { hashOf } from '../lib/hash.ts'
import { suspensionCodec } from '../records/suspension.ts'
import { reasonGiven } from './abort-reason.ts'
import { atHome } from './at-home.ts'
import { closing, type HomeSession } from './home-session.ts'
import { showKey } from './keys.ts'

/** A site's word on a key, in its ledger. Saying the same again changes nothing. */
interface Word {
  readonly key: Hash
  readonly reason: string
  /** False: the key is used again. */
  readonly suspended: boolean
}

export const noteSuspension = async ({ ledger }: HomeSession, { key, reason, suspended }: Word): Promise<null> => {
  const is = suspendedIn(ledger).has(key)
  if (is !== suspended) {
    const body = suspensionCodec.encode({ key, reason: reasonGiven(reason) })
    const what = suspended ? 'suspended' : 'resumed'
    ledger.append({ at: systemClock.now(), what, ceremony: null, site: null, object: hashOf(body) }, body)
  }
  await ledger.barrier()
  return null
}

/**
 * Suspends a key at this site, or resumes it; durable when it resolves, also for joins that run: they say nothing more with
 * it. Throws E_NOT_FOUND where this home holds no share of such a key.
 */
export const suspendKey = async (
  home: string,
  wanted: { readonly key: string; readonly reason: string; readonly suspended: boolean },
): Promise<Word & { readonly name: string; readonly threshold: number }> => {
  const { key, name, threshold } = await showKey(home, wanted.key)
  const word = { key, reason: reasonGiven(wanted.reason), suspended: wanted.suspended }
  const at = await atHome(home, { do: 'suspend', ...word })
  if ('owned' in at) await closing(at.owned, (owned) => noteSuspension(owned, word))
  return { ...word, name, threshold }
}
