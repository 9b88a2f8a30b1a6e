import type { Identity, SiteId } from '../../lib/brand.ts'
import { hashOf } from '../../lib/hash.ts'
import { DecodeError } from '../../records/codec.ts'
import type { RecordName } from '../../records/record-table.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { envelopesIn, openNote } from '../store/notes.ts'
import type { Peers } from './peers.ts'

/**
 * Takes in everything that the notes of the others say: approvals, votes, proofs, an abort. `taken` is called with each
 * record that is new here, and with the site whose note it stood in.
 */
export const readNotes = (
  ceremony: Ceremony,
  peers: Peers,
  taken: (name: RecordName, bytes: Uint8Array, author: SiteId | null) => void,
): void => {
  const { definition, hash } = ceremony.authority
  const identities: readonly Identity[] = [...definition.sites.map((one) => one.identity), ...definition.approvers]
  peers.whenNoted((posted) => {
    const note = openNote(posted, identities)
    if (note === undefined || note.value.ceremony !== hash || note.value.identity === ceremony.seat.identity) return
    const author = ceremony.authority.roster.find((one) => one.identity === note.value.identity)?.name ?? null
    const peer = author === null ? undefined : peers.bySite.get(author)
    if (peer !== undefined) peer.said = note.value.phase
    const take = (name: RecordName, bytes: Uint8Array): void => {
      // Each note shows again nearly all that those before it showed.
      if (ceremony.store.find(hashOf(bytes))?.name === name) return
      try {
        if (ceremony.take(name, bytes, null) !== undefined) taken(name, bytes, author)
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
      }
    }
    take('certificate', posted.certificate)
    for (const bytes of envelopesIn(note.value.approvals)) take('approval', bytes)
    // Before the votes, which are verified by them.
    for (const bytes of envelopesIn(note.value.certificates)) take('certificate', bytes)
    for (const bytes of envelopesIn(note.value.votes)) take('ready', bytes)
    // Before the abort, which may end this join: who left over a proof shows it here.
    for (const bytes of envelopesIn(note.value.evidence)) take('blame', bytes)
    if (note.value.abort !== null) take('aborted', posted.note)
  })
}

/** Posts this site's newest note where others who are not connected find it. */
export const postNote = async (ceremony: Ceremony, peers: Peers, phase: string): Promise<void> => {
  const note = await ceremony.writeNote(phase, null)
  if (note !== undefined) peers.postNote(note)
}
