import type { LogView } from '../../audit/disk-log.ts'
import { bindingRecords, readPromised } from '../../audit/readmission.ts'
import type { Hash, Identity } from '../../lib/brand.ts'
import { toBase64 } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { DecodeError } from '../../records/codec.ts'
import { definitionCodec, fenceIn, recordKind } from '../../records/definition.ts'
import { certificateCodec } from '../../records/identity.ts'
import { returningIdentity } from '../../records/kinds/readmit.ts'
import { type PromisedIn, readmittedCodec } from '../../records/readmission.ts'
import { type RecordName, recordOfEvent } from '../../records/record-table.ts'
import { decodeEnvelope } from '../../records/signed.ts'
import { definitionAt } from '../definition/definition-at.ts'
import type { Site } from '../ports.ts'

type Home = Pick<Site, 'ledger' | 'shards' | 'home' | 'ceremonyLog'>

/** Bytes of all promises together, as they travel. */
const MOST = 1_500_000

/**
 * Everything that another site promised and that this home can prove, in ceremonies about keys since the ceremony that made
 * the epoch in use: a site that holds a share of that epoch has what came before in its own ledger. A signature binds
 * nobody beyond its own definition.
 */
export const promisesOf = async (site: Home, identity: Identity, but: Hash): Promise<readonly PromisedIn[]> => {
  const events = [...site.ledger.replay()]
  const last = new Map<Hash, number>()
  for (const [at, { ceremony }] of events.entries()) if (ceremony !== null) last.set(ceremony, at)
  const found: PromisedIn[] = []
  for (const [ceremony, at] of last) {
    const definition = ceremony === but ? undefined : await definitionAt(site, ceremony)
    const name = definition?.sites.find((one) => one.identity === identity)?.name
    if (definition === undefined || name === undefined || recordKind(definition).makes === 'signature') continue
    const key = recordKind(definition).key(definition) ?? fenceIn(definition)?.key
    if (key === undefined) continue
    const newest = (await site.shards.ofKey(key)).whole.filter(({ state }) => state === 'installed').at(-1)
    const since = newest === undefined ? 0 : events.findIndex((event) => event.ceremony === newest.made.ceremony)
    if (at < since) continue
    const log = await site.ceremonyLog(ceremony)
    const records: { name: RecordName; envelope: string }[] = []
    const certificates = new Set<string>()
    for (const { what, site: by, object } of log.replay()) {
      const body = by === name && object !== null ? log.body(object) : undefined
      const record = recordOfEvent.get(what)
      if (body === undefined || record === undefined) continue
      if (record === 'certificate' && purposeOf(body) === 'message') certificates.add(toBase64(body))
      if (bindingRecords.some((one) => one === record)) records.push({ name: record, envelope: toBase64(body) })
    }
    if ('returning' in definition && returningIdentity(definition) === identity) found.push(...shownIn(log, identity))
    if (records.length === 0) continue
    found.push({
      definition: toBase64(definitionCodec.encode(definition)),
      certificates: [...certificates],
      records,
    })
  }
  const once = [...new Map(found.map((one) => [JSON.stringify(one), one])).values()]
  refuseTooMany(once)
  return once
}

/** Promises that others showed of it when it was taken back before: it may have gone back behind that, too. */
const shownIn = (log: LogView, identity: Identity): readonly PromisedIn[] => {
  const found: PromisedIn[] = []
  for (const { what, object } of log.replay()) {
    const body = what === 'readmitted' && object !== null ? log.body(object) : undefined
    if (body === undefined) continue
    for (const one of readmittedCodec.decode(decodeEnvelope(body, readmittedCodec.limit).payload).promises)
      if (isProven(one, identity)) found.push(one)
  }
  return found
}

const isProven = (one: PromisedIn, identity: Identity): boolean => {
  try {
    readPromised(one, identity)
    return true
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}

const purposeOf = (envelope: Uint8Array): string | undefined => {
  try {
    return certificateCodec.decode(decodeEnvelope(envelope, certificateCodec.limit).payload).purpose
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** Leaving some out would let the site break them: new shares end them all. */
const refuseTooMany = (found: readonly PromisedIn[]): void => {
  if (JSON.stringify(found).length <= MOST) return
  throw new QuorateError(
    'E_NOT_ALLOWED',
    `the site that returns has a part in ${found.length} ceremonies since its key was renewed: more than one record holds`,
    'mend it on another machine (quorate recover plan --lost), which asks for none of them',
  )
}
