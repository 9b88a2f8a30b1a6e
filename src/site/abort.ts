import { definitionAuthority, ownRole } from '../ceremony/definition/authority.ts'
import { dropStaged } from '../ceremony/epoch/stage.ts'
import { ceremonyKind } from '../ceremony/kinds/index.ts'
import { admitKeptApprovals } from '../ceremony/store/kept-approvals.ts'
import { refuseLostLog } from '../ceremony/store/ledger-words.ts'
import { writeNote } from '../ceremony/store/notes.ts'
import { RecordStore } from '../ceremony/store/record-store.ts'
import { systemClock } from '../host/clock.ts'
import { openRoot } from '../host/disk.ts'
import { askOwner } from '../host/run-socket.ts'
import { toEnvelope } from '../identity/dsse.ts'
import { openHome } from '../identity/home.ts'
import { type ErrorCode, QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import { ceremonyId, type Definition } from '../records/definition.ts'
import { shardStore } from '../shards/store.ts'
import { openHomeSession } from './home-session.ts'
import { keepDefinition } from './join.ts'
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
}): Promise<Aborted> => {
  const ceremony = ceremonyId(wanted.definition)
  await refuseStranger(wanted.home, wanted.definition)
  const answer = await askOwner(wanted.home, { do: 'abort', ceremony, reason: wanted.reason })
  if (answer?.ok === true) return { ceremony, told: true }
  if (answer !== undefined) throw new QuorateError(answer.code as ErrorCode, answer.message, answer.hint)

  const owned = await openHomeSession(wanted.home)
  try {
    const { home, disk, ledger } = owned
    const authority = definitionAuthority(wanted.definition)
    const member = authority.roster.find((one) => one.identity === home.identity)
    await keepDefinition(owned, wanted.definition)
    const book = new RecordStore(authority, systemClock)
    await admitKeptApprovals(book, disk, ceremony)
    const log = await owned.ceremonyLog(ceremony)
    if (member !== undefined) refuseLostLog(ledger, ceremony, log, member.name)
    const bound = member === undefined ? undefined : ceremonyKind(wanted.definition).boundBy(log, member.name)
    if (bound !== undefined)
      throw new QuorateError(
        'E_NOT_ALLOWED',
        `this site cannot leave any more: ${bound}`,
        `run \`quorate ${wanted.definition.kind} join\` to finish`,
      )
    const note = await writeNote(home, systemClock, book, 'aborted', wanted.reason)
    const at = systemClock.now()
    const object = hashOf(note)
    if (![...ledger.replay()].some((event) => event.what === 'aborted' && event.ceremony === ceremony)) {
      log.append(
        {
          at,
          what: 'certificate',
          ceremony,
          site: member?.name ?? null,
          object: hashOf(toEnvelope(home.certificates.note)),
        },
        toEnvelope(home.certificates.note),
      )
      log.append({ at, what: 'abort', ceremony, site: member?.name ?? null, object }, note)
      ledger.append({ at, what: 'aborted', ceremony, site: null, object })
      await log.barrier()
      await ledger.barrier()
    }
    await dropStaged(shardStore(disk), log)
    return { ceremony, told: await postNoteToRelays(owned.home, wanted.definition, note, 10_000) }
  } finally {
    await owned.close()
  }
}
