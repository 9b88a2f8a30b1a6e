import { definitionAuthority, ownRole } from '../ceremony/definition/authority.ts'
import { dropStaged } from '../ceremony/epoch/stage.ts'
import { ceremonyKind } from '../ceremony/kinds/index.ts'
import { admitKeptApprovals } from '../ceremony/store/kept-approvals.ts'
import { refuseLostLog } from '../ceremony/store/ledger-words.ts'
import { writeNote } from '../ceremony/store/notes.ts'
import { RecordStore } from '../ceremony/store/record-store.ts'
import { systemClock } from '../host/clock.ts'
import { openRoot } from '../host/disk.ts'
import { toEnvelope } from '../identity/dsse.ts'
import { openHome } from '../identity/home.ts'
import { fromUtf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import { ceremonyId, type Definition, definitionCodec, recordKind } from '../records/definition.ts'
import { replicated } from '../shards/replicated.ts'
import { shardStore } from '../shards/store.ts'
import { atHome } from './at-home.ts'
import type { HomeSession, RelayAccess, SiteSecrets } from './home-session.ts'
import { keepDefinition } from './kept-definition.ts'
import { replicasAt, storeOpener } from './own-stores.ts'
import { postNoteToRelays } from './post-note.ts'

export interface Aborted {
  readonly ceremony: string
  /** A relay shows it to the others; false: they hear of it when this home next meets one of them. */
  readonly told: boolean
}

/** Before anything is asked or written: what a home says of a definition that is not its own stands in its ledger for ever. */
const refuseStranger = async (folder: string, definition: Definition): Promise<void> => {
  const disk = await openRoot(folder)
  try {
    ownRole(definition, (await openHome(disk)).identity)
  } finally {
    await disk.close()
  }
}

/**
 * Takes this site out of a definition, for good: in its logs first, then in its note. Needs no passphrase. Throws
 * E_NOT_ALLOWED where it has voted or sent a signature share, or is no member.
 */
export const abortCeremony = async (wanted: {
  readonly home: string
  readonly definition: Definition
  /** As `reasonGiven` gives it. */
  readonly reason: string
  readonly relays?: RelayAccess
  /** The credentials of a store may be in it. */
  readonly environment?: SiteSecrets['environment']
}): Promise<Aborted> => {
  const { home, definition, reason, relays = {}, environment } = wanted
  const ceremony = ceremonyId(definition)
  await refuseStranger(home, definition)
  const text = fromUtf8(definitionCodec.encode(definition))
  const at = await atHome(home, { do: 'abort', ceremony, definition: text, reason }, { relays })
  if ('done' in at) return at.done as Aborted
  try {
    return await abortOwned(at.owned, definition, reason, environment)
  } finally {
    await at.owned.close()
  }
}

/** The same in a home that this process owns, of a ceremony that does not run. */
export const abortOwned = async (
  owned: HomeSession,
  definition: Definition,
  reason: string,
  environment?: SiteSecrets['environment'],
): Promise<Aborted> => {
  const { home, disk, ledger } = owned
  const authority = definitionAuthority(definition)
  const ceremony = authority.hash
  const member = authority.roster.find((one) => one.identity === home.identity)
  await keepDefinition(disk, definition)
  const book = new RecordStore(authority, systemClock)
  await admitKeptApprovals(book, disk, ceremony)
  const log = await owned.ceremonyLog(ceremony)
  if (member !== undefined) refuseLostLog(ledger, ceremony, log, member.name)
  const bound = member === undefined ? undefined : ceremonyKind(definition).boundBy(log, member.name, definition)
  if (bound !== undefined)
    throw new QuorateError(
      'E_NOT_ALLOWED',
      `this site cannot leave any more: ${bound}`,
      `run \`quorate ${recordKind(definition).topic} join\` to finish`,
    )
  const note = await writeNote(home, systemClock, book, 'aborted', reason)
  if (![...ledger.replay()].some((event) => event.what === 'aborted' && event.ceremony === ceremony)) {
    const about = { at: systemClock.now(), ceremony, site: member?.name ?? null }
    const certificate = toEnvelope(home.certificates.note)
    log.append({ ...about, what: 'certificate', object: hashOf(certificate) }, certificate)
    log.append({ ...about, what: 'abort', object: hashOf(note) }, note)
    ledger.append({ ...about, what: 'aborted', site: null, object: hashOf(note) })
    await log.barrier()
    await ledger.barrier()
  }
  const told = await postNoteToRelays(owned, definition, note, 10_000)
  // Last: a store that does not answer keeps nobody from hearing it. Run again, it is tried again.
  // An approver has no card, and no shares.
  const stores = home.role === 'site' ? (await home.card()).stores : []
  const replicas = replicasAt(disk, home, stores, storeOpener(home, environment))
  const shards = replicated(shardStore(disk), disk, replicas)
  await dropStaged(shards, log, definition)
  return { ceremony, told }
}
