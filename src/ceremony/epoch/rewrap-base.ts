import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { ceremonyId, receiversIn } from '../../records/definition.ts'
import { type RewrapDefinition, rewrappedEntry } from '../../records/kinds/rewrap.ts'
import { shortId } from '../../records/short-id.ts'
import { definitionAt } from '../definition/definition-at.ts'
import { error, refuseErrors } from '../definition/finding.ts'
import type { KeyBase } from '../definition/lint-key.ts'
import { type RewrapsKnown, rewrapsInUse } from '../definition/rewraps.ts'
import type { Site } from '../ports.ts'
import type { Epoch } from './epoch.ts'

type Parts = RewrapsKnown & { readonly home: Pick<Site['home'], 'identity'> }

/** The envelope of this site's share, and the KMS keys that it lies under, by its ledger. Undefined where it holds no share. */
export const ownSeal = async (
  site: Parts,
  { definition, record: base }: Pick<KeyBase, 'definition' | 'record'>,
  { record }: Pick<Epoch, 'record'>,
): Promise<RewrapDefinition['old'] | undefined> => {
  const { identity } = site.home
  const own = (await rewrapsInUse(site, base)).findLast((one) => rewrappedEntry(one.definition)?.identity === identity)
  const place = receiversIn(definition).findIndex((one) => one.identity === identity)
  const entry = own === undefined ? receiversIn(definition)[place] : rewrappedEntry(own.definition)
  const envelope = own?.envelope ?? record.envelopes[place]
  return entry === undefined || envelope === undefined ? undefined : { envelope, kms: entry.kms }
}

/**
 * Throws E_DEFINITION where a definition says otherwise than this site's ledger of what its share lies in, and E_NOT_FINISHED
 * where an earlier rewrap has not destroyed what it replaced.
 */
export const refuseOtherSeal = async (
  site: Parts & Pick<Site, 'shards'>,
  { old }: RewrapDefinition,
  base: KeyBase,
  epoch: Pick<Epoch, 'key' | 'record'>,
): Promise<void> => {
  const seal = await ownSeal(site, base, epoch)
  const stored = await site.shards.read(epoch.key, epoch.record.outcome)
  const last = (await rewrapsInUse(site, base.record)).findLast(({ envelope }) => envelope === seal?.envelope)
  if (last !== undefined && stored?.envelope !== seal?.envelope) throw unfinished(last.ceremony)
  refuseErrors([
    ...(old.envelope === seal?.envelope
      ? []
      : [
          error(
            'old-envelope',
            'old.envelope',
            'not the envelope that opens this site’s share: plan anew, at this site',
          ),
        ]),
    ...(JSON.stringify(old.kms) === JSON.stringify(seal?.kms)
      ? []
      : [error('old-kms', 'old.kms', 'not the KMS keys that this site’s share lies under: plan anew, at this site')]),
  ])
}

/**
 * Throws E_NOT_FINISHED where this site named a new envelope of the same share in another ceremony: of two that came true,
 * the second would destroy what the first went over to.
 */
export const refuseOtherRewrap = async (site: Parts, definition: RewrapDefinition): Promise<void> => {
  const events = [...site.ledger.replay()]
  const over = new Set(
    events.flatMap(({ what, ceremony }) => (what === 'replaced' || what === 'aborted' ? ceremony : [])),
  )
  const begun = events.flatMap(({ what, ceremony }) => (what === 'rewrapped' && ceremony !== null ? ceremony : []))
  for (const ceremony of new Set(begun)) {
    if (ceremony === ceremonyId(definition) || over.has(ceremony)) continue
    const other = await definitionAt(site, ceremony)
    if (other?.base !== definition.base) continue
    throw unfinished(ceremony)
  }
}

const unfinished = (ceremony: Hash): QuorateError => {
  const id = shortId(ceremony)
  return new QuorateError(
    'E_NOT_FINISHED',
    `this site sealed the same share anew in ceremony ${id}, which is not finished`,
    `finish that one first: quorate rotate join --ceremony ${id}; where that is not in use yet, you may leave it instead: quorate rotate abort --ceremony ${id}`,
    { ceremony },
  )
}
