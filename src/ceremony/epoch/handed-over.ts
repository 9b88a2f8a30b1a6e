import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { recordKind } from '../../records/definition.ts'
import type { LedgerEventName } from '../../records/event.ts'
import { shortId } from '../../records/short-id.ts'
import { definitionAt } from '../definition/definition-at.ts'
import type { Site } from '../ports.ts'
import type { Epoch } from './epoch.ts'

/** Words that a site which receives no share never says in the ceremony that replaces its own. */
const OTHERS: readonly LedgerEventName[] = ['ready', 'installed', 'result', 'released']

/**
 * Throws E_NOT_FINISHED where this site saw that all who receive the next shares of a key voted for them, and receives none
 * itself: for want of receipts its old share is still there, and it signs nothing more.
 */
export const refuseHandedOver = async (site: Site, { key, hash }: Pick<Epoch, 'key' | 'hash'>): Promise<void> => {
  const begun = new Set<Hash>()
  for (const { what, ceremony } of site.ledger.replay()) {
    if (ceremony === null) continue
    if (what === 'log-opened') begun.add(ceremony)
    if (OTHERS.includes(what as LedgerEventName)) begun.delete(ceremony)
  }
  for (const ceremony of begun) {
    const definition = await definitionAt(site, ceremony)
    if (definition === undefined || recordKind(definition).replaces(definition) === null) continue
    if (definition.base !== hash || recordKind(definition).key(definition) !== key) continue
    const log = await site.ceremonyLog(ceremony)
    if (![...log.replay()].some(({ what }) => what === 'ready-set')) continue
    const id = shortId(ceremony)
    throw new QuorateError(
      'E_NOT_FINISHED',
      `all who receive the next shares of this key voted for them in ceremony ${id}, and this site receives none`,
      `its old share signs nothing more. Run quorate ${recordKind(definition).topic} join --ceremony ${id} here while one of the others does, so that it is destroyed; they sign on`,
      { ceremony },
    )
  }
}
