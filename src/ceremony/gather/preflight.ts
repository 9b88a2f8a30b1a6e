import { equal } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import { recordKind } from '../../records/definition.ts'
import { type Epoch, openShare } from '../epoch/epoch.ts'
import { hedged } from '../hedge.ts'
import { ceremonyFolder } from '../paths.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { soFar } from './so-far.ts'

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
  const context = authority.hash
  for (const slot of seat.entry.kms) {
    const key = await site.kms(slot)
    const piece = new Secret(random(32))
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
        `the key ${slot.key} returned other bytes than it wrapped`,
        `${seat.name}’s operator: check this KMS key; ${soFar(ceremony, [])}`,
      )
  }
  // Once it voted, or counted all votes, this site runs no attempt: its old share is asked for no more, and may be gone.
  if (epoch === undefined || store.ready.has(seat.name) || ceremony.events('ready-set').length > 0)
    return ['clock', 'disk', 'kms']
  // A site that dealt, and whose share was replaced otherwise since, still hears what came of its dealing.
  const { replaces: replacedBy, opensNoShare } = recordKind(authority.definition)
  if (opensNoShare === true) return ['clock', 'disk', 'kms']
  const replaces = replacedBy(authority.definition) !== null
  if (replaces && (await site.shards.read(epoch.key, epoch.record.outcome))?.state === 'retired')
    return ['clock', 'disk', 'kms']
  const share = await openShare(ceremony, epoch)
  share.wipe()
  return ['clock', 'disk', 'kms', 'share']
}
