import { toEnvelope } from '../../identity/dsse.ts'
import type { Hash } from '../../lib/brand.ts'
import { asText, utf8 } from '../../lib/bytes.ts'
import { writeDurable } from '../../lib/durable.ts'
import { QuorateError } from '../../lib/errors.ts'
import { DecodeError } from '../../records/codec.ts'
import { definitionCodec } from '../../records/definition.ts'
import { soFar } from '../gather/so-far.ts'
import type { Prepared } from '../kinds/kind.ts'
import { bundlePath, forgottenRecordPath } from '../paths.ts'
import { type Ceremony, forgottenRecord } from '../store/ceremony.ts'
import { keptApprovals } from '../store/kept-approvals.ts'
import { abortedHere } from './aborts.ts'

/** Begins this site's log, or goes on with it: the certificates of its home keys and of this join's message key. */
export const openLog = async (ceremony: Ceremony, prepared: Prepared): Promise<void> => {
  const { site, authority, log } = ceremony
  if (ceremony.closed) return
  if (log.size === 0) {
    const head = await site.ledger.barrier()
    ceremony.note('opened', utf8(head.note))
    ceremony.noteLedger('log-opened')
    ceremony.note('definition', definitionCodec.encode(authority.definition))
    for (const { envelope } of ceremony.store.approvals.values()) ceremony.note('approval', envelope)
    prepared.noteIn(ceremony)
  }
  for (const certificate of Object.values(site.home.certificates))
    ceremony.take('certificate', toEnvelope(certificate), ceremony.seat.name)
  const own = toEnvelope(ceremony.keys.message.certificate)
  ceremony.store.admit('certificate', own, ceremony.seat.name)
  ceremony.note('joined', own)
  await ceremony.barrier()
}

/** Approvals in this home's folder, given here or carried by hand. */
export const takeApprovals = async (ceremony: Ceremony): Promise<void> => {
  for (const { path, bytes } of await keptApprovals(ceremony.site.home.disk, ceremony.authority.hash)) {
    try {
      if (ceremony.log.size === 0) ceremony.store.admit('approval', bytes, null)
      else ceremony.take('approval', bytes, null)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      throw new QuorateError(
        'E_FILE',
        `${path} is not an approval of this definition`,
        `remove it, or put the right file there; ${soFar(ceremony, [])}`,
      )
    }
  }
}

/**
 * A record that this home was shown to have forgotten stays forgotten: no later join may say it anew in other words.
 */
export const keepForgottenRecord = async ({ site, authority }: Ceremony, error: QuorateError): Promise<void> => {
  const { word } = error.details
  if (typeof word === 'string') await writeDurable(site.home.disk, forgottenRecordPath(authority.hash), utf8(word))
}

/** Throws E_SITE_ROLLED_BACK where an earlier join was shown that this home forgot its own record. */
export const refuseForgetful = async ({ site, authority, seat }: Ceremony): Promise<void> => {
  const word = await site.home.disk.read(forgottenRecordPath(authority.hash))
  if (word !== undefined) throw forgottenRecord(seat.name, asText(word) as Hash)
}

/** Throws where this site ended the definition, left it, or never approved it. */
export const refuseEnded = (ceremony: Ceremony): void => {
  const { store, seat, authority, site } = ceremony
  // The ledger's word binds also where the ceremony's log is lost: it is not begun anew.
  const left = [...site.ledger.replay()].some(
    ({ what, ceremony: about }) => what === 'aborted' && about === authority.hash,
  )
  if (ceremony.aborted || left) throw abortedHere()
  if (ceremony.closed && !bound(ceremony))
    throw new QuorateError(
      'E_CONSUMED',
      'this site has ended this definition',
      `the bundle is ${bundlePath(authority.hash, 'abort')}; plan a new definition`,
    )
  if (authority.asks(seat.identity) && !store.approved().has(seat.identity))
    throw new QuorateError(
      'E_NOT_APPROVED',
      'this site has not approved the definition',
      `run \`quorate ${authority.topic} approve\` first; ${soFar(ceremony, [])}`,
    )
}

/** This site is bound, stated a signature, or destroyed the share that was replaced: what is left is to finish. */
const bound = ({ store, seat }: Ceremony): boolean =>
  store.hasBound(seat.name) || store.results.has(seat.name) || store.retired.has(seat.name)
