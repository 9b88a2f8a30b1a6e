import type { SiteId } from '../../lib/brand.ts'
import { recordHash } from '../../records/signed.ts'
import type { HeldAttempt, RecordStore } from './record-store.ts'

/**
 * True where a participant has shown that it takes part no more: it greeted anew, or signed the attempt after this one.
 * Every site passes on what shows it, so a liar cannot leave at one site only.
 */
export const hasLeft = (store: RecordStore, attempt: HeldAttempt, site: SiteId): boolean => {
  const seat = attempt.value.participants.find((one) => one.site === site)
  if (seat === undefined) return false
  const newest = store.hellos.get(site)?.signed
  const named = store.hellosByHash.get(seat.hello)?.signed.value
  // Its clock may have been set back meanwhile, or stand at the same moment; its attempts never become fewer.
  if (newest !== undefined && newest.key !== seat.key)
    if (newest.value.attempts > (named?.attempts ?? 0) || newest.value.clock > (named?.clock ?? 0)) return true
  const since = named?.sequence ?? 0
  for (const { site: by, signed } of store.hellosByHash.values())
    if (by === site && signed.key === seat.key && signed.value.sequence > since && recordHash(signed) !== seat.hello)
      return true
  for (const { hash, value, signatures } of store.attempts.values())
    if (hash !== attempt.hash && signatures.has(site))
      if (value.participants.some((one) => one.site === site && one.last === attempt.hash)) return true
  return false
}
