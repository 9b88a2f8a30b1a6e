import type { BundleReader } from '../../audit/bundle.ts'
import type { SiteId } from '../../lib/brand.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { FAREWELL_MS } from './close.ts'
import { openedSignature } from './cosign.ts'
import { logMessage } from './exchange.ts'
import { closeLog, cosignaturesIn } from './own-bundle.ts'

/** How long a site that has everything waits for others who may have come back for it, whoever else was served meanwhile. */
export const HELP_MS = 1500

/**
 * A site that has everything says its endings again, to others who come back without them: it waits a moment for them,
 * and where one is here until that one has signed its manifest too, or the close deadline.
 */
export const serveLatecomers = async (
  ceremony: Ceremony,
  peers: Peers,
  bundle: BundleReader,
  sites: readonly SiteId[],
): Promise<void> => {
  const { store, seat, options, authority } = ceremony
  const own = await closeLog(ceremony)
  const lines = new Map<SiteId, Uint8Array>()
  for (const of of sites)
    for (const { by, line } of await cosignaturesIn(ceremony, bundle, of)) if (by === seat.name) lines.set(of, line)
  const sigstore = bundle.signatures.get(seat.name)
  const mine = sigstore && openedSignature(ceremony, seat.name, sigstore, bundle.manifestBytes)
  peers.whenConnected((name) => {
    peers.send(name, logMessage(own))
    for (const [of, line] of lines) peers.send(name, { is: 'cosignature', of, line })
    if (mine !== undefined) peers.send(name, { is: 'manifest', signature: mine })
  })
  const isServed = (name: SiteId): boolean => peers.closeMessages.hasSigned(name)
  const needy = (): boolean => sites.some((name) => peers.bySite.get(name)?.connected === true && !isServed(name))
  // A site that took no part may come for the result alone: only those who have everything are not waited for.
  await store.until(() => [...peers.bySite.keys()].every(isServed) || undefined, HELP_MS, options.signal)
  await store.until(() => !needy() || undefined, authority.terms.deadlines.close * 1000, options.signal)
  await peers.flush(FAREWELL_MS)
}
