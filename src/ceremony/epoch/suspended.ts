import type { LogView } from '../../audit/disk-log.ts'
import type { Log } from '../../audit/log.ts'
import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Clock } from '../../lib/ports.ts'
import { suspensionCodec } from '../../records/suspension.ts'

/** When a site suspended a key, in milliseconds since 1970, and why. */
export interface Suspended {
  readonly at: number
  readonly reason: string
}

/** The keys that a site has suspended, by its ledger: the last word on each counts. */
export const suspendedIn = (ledger: Pick<LogView, 'replay' | 'body'>): ReadonlyMap<Hash, Suspended> => {
  const suspended = new Map<Hash, Suspended>()
  for (const { what, object, at } of ledger.replay()) {
    const body = (what === 'suspended' || what === 'resumed') && object !== null ? ledger.body(object) : undefined
    if (body === undefined) continue
    const { key, reason } = suspensionCodec.decode(body)
    if (what === 'suspended') suspended.set(key, { at, reason })
    else suspended.delete(key)
  }
  return suspended
}

/** A site's word on a key. */
export interface KeyWord {
  readonly key: Hash
  readonly reason: string
  /** False: the key is used again. */
  readonly suspended: boolean
}

/** Durable when it resolves. Saying the same again changes nothing. */
export const sayOfKey = async (
  ledger: Pick<Log, 'replay' | 'body' | 'append' | 'barrier'>,
  clock: Pick<Clock, 'now'>,
  { key, reason, suspended }: KeyWord,
): Promise<void> => {
  if (suspendedIn(ledger).has(key) !== suspended) {
    const body = suspensionCodec.encode({ key, reason })
    const what = suspended ? 'suspended' : 'resumed'
    ledger.append({ at: clock.now(), what, ceremony: null, site: null, object: hashOf(body) }, body)
  }
  await ledger.barrier()
}

/** Throws E_NOT_ALLOWED where this site suspended the key: it opens no share of it. */
export const refuseSuspended = (ledger: Pick<LogView, 'replay' | 'body'>, key: Hash): void => {
  const found = suspendedIn(ledger).get(key)
  if (found === undefined) return
  const since = `${new Date(found.at).toISOString().slice(0, 19)}Z`
  throw new QuorateError(
    'E_NOT_ALLOWED',
    `this site suspended the key ${key.slice(0, 8)} at ${since}: ${found.reason}`,
    `when it is safe again: quorate keys resume --key ${key.slice(0, 8)} --reason WHY`,
    { key, since, reason: found.reason },
  )
}
