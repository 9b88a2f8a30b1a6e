import type { KmsKey } from '../../kms/port.ts'
import { equal } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import { accessIn, accessRules } from '../../records/access.ts'
import { recordKind } from '../../records/definition.ts'
import { type Epoch, openShare } from '../epoch/epoch.ts'
import { keysOf } from '../epoch/own-keys.ts'
import { hedged } from '../hedge.ts'
import { ceremonyFolder } from '../paths.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { soFar } from './so-far.ts'

/** A key seals a piece and opens it. Throws what the KMS throws. */
const tryKey = async (ceremony: Ceremony, key: KmsKey): Promise<void> => {
  const { site, authority, seat } = ceremony
  const context = authority.hash
  const piece = new Secret(hedged(site, context, 'preflight')(32))
  let same: boolean
  try {
    const back = await key.unwrap(await key.wrap(piece, context), context)
    same = equal(back.reveal(), piece.reveal())
    back.wipe()
  } finally {
    piece.wipe()
  }
  if (!same)
    throw new QuorateError(
      'E_KMS_UNAVAILABLE',
      `the key ${key.ref.key} returned other bytes than it wrapped`,
      `${seat.name}’s operator: check this KMS key; ${soFar(ceremony, [])}`,
    )
}

/** A share is sealed here, which takes each of this site's keys; what lies sealed opens by as many as are enough. */
const seals = ({ seat, store, authority: { definition, receivers } }: Ceremony): boolean => {
  // Once it voted, or showed its new envelope, it seals nothing more: it has to come to its end without them.
  if (store.ready.has(seat.name) || store.rewrapped.has(seat.name)) return false
  const { seals: sealers, epoch } = recordKind(definition)
  const made = epoch(definition) === null ? [] : receivers.map(({ name }) => name)
  return (sealers?.(definition) ?? made).includes(seat.name)
}

/** Throws the fault of a key where too few are left, and says which key is gone where there are enough. */
const checkKeys = async (ceremony: Ceremony): Promise<string> => {
  const { site, seat, options } = ceremony
  const access = accessIn(seat.entry)
  const { slots, enough } = accessRules[access]
  const keys = await keysOf(site, seat.entry.kms)
  const tried = await Promise.allSettled(keys.map((key) => tryKey(ceremony, key)))
  const failed = tried.flatMap((one, at) =>
    one.status === 'rejected' ? [{ ref: (keys[at] as KmsKey).ref, reason: one.reason as unknown }] : [],
  )
  const [first] = failed
  if (first === undefined) return 'kms'
  const other = failed.find(({ reason }) => !(reason instanceof QuorateError))
  if (other !== undefined) throw other.reason
  if (seals(ceremony) || slots - failed.length < enough) throw first.reason
  for (const { ref, reason } of failed)
    options.progress({ phase: 'kms', key: `${ref.provider}:${ref.key}`, why: (reason as QuorateError).message })
  return `kms ${slots - failed.length} of ${slots}`
}

/**
 * Checks clock, disk, KMS and the share that will be used, before anybody else is troubled. Returns the names of what was
 * checked.
 */
export const preflight = async (ceremony: Ceremony, epoch: Epoch | undefined): Promise<readonly string[]> => {
  const { site, authority, seat, store } = ceremony
  if (site.machine.clock.now() < Date.UTC(2026, 0, 1))
    throw new QuorateError(
      'E_CLOCK',
      'this machine’s clock is years behind',
      `set the clock, then run the same command again; ${soFar(ceremony, [])}`,
    )
  const random = hedged(site, authority.hash, 'preflight')
  const { disk } = site.home
  const probe = `${ceremonyFolder(authority.hash)}/preflight`
  await disk.remove(probe)
  await disk.create(probe, random(4096))
  await disk.sync(probe)
  await disk.remove(probe)
  const kms = await checkKeys(ceremony)
  if (seals(ceremony)) await site.shards.refuseUnreachable()
  // Once it voted, or counted all votes, this site runs no attempt: its old share is asked for no more, and may be gone.
  if (epoch === undefined || store.ready.has(seat.name) || ceremony.events('ready-set').length > 0)
    return ['clock', 'disk', kms]
  // A site that dealt, and whose share was replaced otherwise since, still hears what came of its dealing.
  const { replaces: replacedBy, opensNoShare } = recordKind(authority.definition)
  if (opensNoShare === true) return ['clock', 'disk', kms]
  const replaces = replacedBy(authority.definition) !== null
  if (replaces && (await site.shards.read(epoch.key, epoch.record.outcome))?.state === 'retired')
    return ['clock', 'disk', kms]
  const share = await openShare(ceremony, epoch)
  share.wipe()
  return ['clock', 'disk', kms, 'share']
}
