import { namedIn, readCertificate } from '../../identity/certificate.ts'
import { fromEnvelope, toEnvelope } from '../../identity/dsse.ts'
import type { Home } from '../../identity/home.ts'
import { limitedSigner } from '../../identity/identity-key.ts'
import type { Identity } from '../../lib/brand.ts'
import { fromBase64, toBase64 } from '../../lib/bytes.ts'
import { writeDurable } from '../../lib/durable.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Clock } from '../../lib/ports.ts'
import { DecodeError } from '../../records/codec.ts'
import { type Note, noteCodec } from '../../records/note.ts'
import type { Ready } from '../../records/outcome.ts'
import type { Signed } from '../../records/signed.ts'
import type { PostedNote } from '../../transport/wire.ts'
import { notePath } from '../paths.ts'
import type { RecordStore } from './record-store.ts'
import type { Held } from './shelf.ts'

/**
 * This member's newest word on a ceremony, for those who are not connected: what it holds of approvals, votes and proofs,
 * and whether it left. Its counter goes on from the note kept on disk. Where that one is damaged it
 * goes on from the clock: no counter that went up by ones is as high, and whoever holds an older note must take the newer one.
 */
export const writeNote = async (
  home: Home,
  clock: Clock,
  book: RecordStore,
  phase: string,
  abort: string | null,
): Promise<Uint8Array> => {
  const { hash } = book.authority
  const path = notePath(hash)
  const before = await lastNote(home, path)
  const kept = before === 'damaged' ? undefined : before
  const { name } = await home.config()
  const votes = votesIn(book)
  const note: Note = {
    ceremony: hash,
    identity: home.identity,
    counter: before === 'damaged' ? clock.now() : (before?.counter ?? 0) + 1,
    at: clock.now(),
    phase,
    approvals: [...book.approvals.values()].map(({ envelope }) => toBase64(envelope)),
    // Votes stay true: a note takes none back, whichever command writes it.
    votes: [...new Set([...votes.map(envelopeOf), ...(kept?.votes ?? [])])].slice(0, MOST_VOTES),
    certificates: [...new Set([...certificatesOf(book, votes), ...(kept?.certificates ?? [])])].slice(0, MOST_VOTES),
    evidence: [...book.blames.values()]
      .slice(0, 2)
      .map(({ bytes }) => toBase64(bytes))
      .filter((text) => text.length < 65_536),
    abort,
  }
  const envelope = toEnvelope(await limitedSigner(name, home.keys.note, [noteCodec.type]).sign(noteCodec, note))
  await writeDurable(home.disk, path, envelope)
  return envelope
}

/** The note that this home wrote before. */
const lastNote = async ({ disk, keys }: Home, path: string): Promise<Note | 'damaged' | undefined> => {
  try {
    const bytes = await disk.read(path)
    return bytes === undefined ? undefined : fromEnvelope(noteCodec, bytes, [keys.note.key]).value
  } catch (error) {
    if (error instanceof DecodeError || (error instanceof QuorateError && error.code === 'E_FILE')) return 'damaged'
    throw error
  }
}

const MOST_VOTES = 32

/** Votes for the records that sites voted for first; then those of sites that voted for another one, too. */
const votesIn = (store: RecordStore): readonly Held<Ready>[] => {
  const first = [...store.ready.values()]
  const records = new Set(first.map(({ signed }) => signed.value.record))
  return [...first, ...[...records].flatMap((record) => [...store.votes(record).values()])]
}

const envelopeOf = ({ envelope }: { readonly envelope: Uint8Array }): string => toBase64(envelope)

/** Certificates of the keys that signed these votes, in the order of the votes. */
const certificatesOf = (store: RecordStore, votes: readonly Held<Ready>[]): readonly string[] =>
  votes.flatMap(({ site, signed }) => {
    const certificate = store.certificate(site, signed.key)
    return certificate === undefined ? [] : [envelopeOf(certificate)]
  })

/** A note as a relay shows it, verified under the certificate of one of these identities; undefined for anything else. */
export const openNote = (posted: PostedNote, identities: readonly Identity[]): Signed<Note> | undefined => {
  try {
    const identity = namedIn(posted.certificate)
    if (!identities.includes(identity)) return undefined
    const certificate = readCertificate(posted.certificate, identity, 'note', null)
    const note = fromEnvelope(noteCodec, posted.note, [certificate.value.key])
    return note.value.identity === identity ? note : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** Envelopes in a note's list; those that are not base64 are left out. */
export const envelopesIn = (list: readonly string[]): readonly Uint8Array[] =>
  list.flatMap((text) => {
    try {
      return [fromBase64(text)]
    } catch (error) {
      if (error instanceof RangeError) return []
      throw error
    }
  })
