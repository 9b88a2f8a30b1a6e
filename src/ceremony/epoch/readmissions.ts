import type { LogView } from '../../audit/disk-log.ts'
import { ledgerOrigin, parseCheckpoint } from '../../audit/note.ts'
import type { Hash, Identity } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Disk } from '../../lib/ports.ts'
import type { LogEvent } from '../../records/event.ts'
import { type ReadmitDefinition, returningIdentity } from '../../records/kinds/readmit.ts'
import { shortId } from '../../records/short-id.ts'
import { definitionAt } from '../definition/definition-at.ts'
import type { Site } from '../ports.ts'

interface Known {
  readonly ledger: Pick<LogView, 'replay'>
  readonly home: { readonly disk: Pick<Disk, 'read'> }
  ceremonyLog(ceremony: Hash): Promise<Pick<LogView, 'body'>>
}

/** A readmission that took effect, as a home knows it: it took the site back, or is the one that came back. */
interface KnownReadmission {
  readonly definition: ReadmitDefinition
  /** By this site's own clock, in milliseconds since 1970. */
  readonly at: number
}

const readmitAt = async (site: Known, ceremony: Hash | null): Promise<ReadmitDefinition | undefined> => {
  const definition = ceremony === null ? undefined : await definitionAt(site, ceremony)
  return definition !== undefined && 'returning' in definition ? definition : undefined
}

/** Every readmission that this home had a part in, oldest first. */
export const allReadmissions = async (site: Known): Promise<readonly KnownReadmission[]> => {
  const found: KnownReadmission[] = []
  for (const { what, ceremony, at } of site.ledger.replay()) {
    if (what !== 'peer-readmitted' && what !== 'rebound') continue
    const definition = await readmitAt(site, ceremony)
    if (definition !== undefined) found.push({ definition, at })
  }
  return found
}

/** The same of one key's sites. */
export const readmissionsOf = async (site: Known, key: Hash): Promise<readonly KnownReadmission[]> =>
  (await allReadmissions(site)).filter(({ definition }) => definition.key === key)

const SAID: readonly LogEvent['what'][] = ['readmitted', 'peer-readmitted']

/** The last readmission of the same site, under another definition, that this home agreed to after `since`. */
const laterThan = async (
  site: Site,
  identity: Identity,
  ceremony: Hash,
  since: number,
): Promise<ReadmitDefinition | undefined> => {
  for (const event of [...site.ledger.replay()].slice(since + 1).toReversed()) {
    if (!SAID.includes(event.what) || event.ceremony === ceremony) continue
    const other = await readmitAt(site, event.ceremony)
    if (other !== undefined && returningIdentity(other) === identity) return other
  }
  return undefined
}

const another = (name: string): QuorateError =>
  new QuorateError(
    'E_NOT_ALLOWED',
    `this site agreed to another readmission of ${name} since: of two heads one is of another home`,
    `find out which home of ${name} is the right one, and stop the other; then plan its readmission anew`,
  )

/**
 * Throws E_NOT_ALLOWED where a site was taken back otherwise since this home approved, and where it has shown the ledger that
 * it is said to have lost: then two homes of it run.
 */
export const refuseTwoHomes = async (site: Site, definition: ReadmitDefinition, ceremony: Hash): Promise<void> => {
  const identity = returningIdentity(definition)
  if (identity === undefined) return
  const events = [...site.ledger.replay()]
  const since = events.findIndex((event) => event.ceremony === ceremony)
  const other = await laterThan(site, identity, ceremony, since)
  if (other !== undefined) throw another(definition.returning)
  const isOf = ({ what, object }: LogEvent): boolean => {
    const note = what === 'peer-ledger' && object !== null ? site.ledger.body(object) : undefined
    return note !== undefined && parseCheckpoint(note).origin === ledgerOrigin(identity)
  }
  const seen = since < 0 ? undefined : events.slice(since + 1).find(isOf)
  if (seen === undefined) return
  const where = seen.ceremony === null ? '' : ` (ceremony ${shortId(seen.ceremony)})`
  throw new QuorateError(
    'E_NOT_ALLOWED',
    `${definition.returning} has shown its old ledger since this was approved${where}: another home of it runs`,
    `find out which home of ${definition.returning} is the right one, and stop the other; then plan its readmission anew`,
    { ceremony: seen.ceremony },
  )
}

/** Throws E_NOT_ALLOWED where this home agreed to another readmission after it said its word in this one. */
export const refuseOlderReadmission = async (
  site: Site,
  definition: ReadmitDefinition,
  ceremony: Hash,
): Promise<void> => {
  const identity = returningIdentity(definition)
  if (identity === undefined) return
  const events = [...site.ledger.replay()]
  const said = events.findLastIndex((event) => event.ceremony === ceremony && SAID.includes(event.what))
  const since = said < 0 ? events.findIndex((event) => event.ceremony === ceremony) : said
  const other = await laterThan(site, identity, ceremony, since)
  if (other !== undefined) throw another(definition.returning)
}
