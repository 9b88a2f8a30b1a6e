import { recordFaults } from '../../src/ceremony/blame/record-faults.ts'
import { testLabel } from '../../src/ceremony/blame/test-session.ts'
import { readSignedMessage, type SignedMessage } from '../../src/ceremony/session/round-message.ts'
import { subSession } from '../../src/ceremony/session/sub-session.ts'
import type { Party } from '../../src/lib/brand.ts'
import { toBase64, toHex } from '../../src/lib/bytes.ts'
import type { Random } from '../../src/lib/ports.ts'
import { testSignerSets } from '../../src/mpc/test-signature.ts'
import { type Blame, blameCodec } from '../../src/records/round.ts'
import type { Play, Seat, Table } from './parties.ts'

const checks = [
  'equivocation',
  'malformed',
  'echo',
  'confirm',
  'commitment-count',
  'commitment-point',
  'proof-of-knowledge',
  'session-proof',
  'share-scalar',
  'share-commitment',
  'signature-share-scalar',
  'signature-share',
  ...Object.keys(recordFaults),
]

/**
 * A claim against somebody honest, of whatever the liars hold: any messages that they sent or got, in any order, under
 * any check, protocol and session.
 */
export const falseClaim = (table: Table, run: Play, liars: readonly Seat[], honest: Seat, random: Random): Blame => {
  const pick = <T>(list: readonly T[]): T => list[((random(1)[0] ?? 0) * 256 + (random(1)[0] ?? 0)) % list.length] as T
  const names = new Set(liars.map(({ site }) => site))
  const posts = run.sent
    .filter(({ from, to }) => names.has(from) || names.has(to))
    .flatMap(({ bytes }) => readable(bytes))
  const wanted = posts.filter(({ post }) => post.from === honest.party)
  const check = pick(checks)
  const half = random(1)[0] ?? 0
  // Half of the claims are of the accused's messages of one session, as a true one would be.
  const [anchor] = wanted.length === 0 ? [] : [pick(wanted)]
  const near = posts.filter(
    ({ post }) =>
      anchor === undefined ||
      (toHex(post.session) === toHex(anchor.post.session) && (post.from === honest.party || post.to === 0)),
  )
  const from = half < 128 ? near : posts
  const count = half % 4 === 0 ? near.length : 1 + (half % 3)
  const messages = from.length === 0 ? [] : half % 4 === 0 ? near : Array.from({ length: count }, () => pick(from))
  const session = anchor === undefined ? run.attempt : toHex(anchor.post.session)
  const sets = testSignerSets(table.terms.n, table.terms.t)
  const within = [...run.facts.records.keys()]
    .flatMap((record) => sets.map((members, set) => ({ label: testLabel(set, record), members: [...members] })))
    .find(
      ({ label, members }) =>
        subSession(run.attempt, { protocol: table.protocols.sign.id, label, members }) === session,
    )
  return blameCodec.decode(
    blameCodec.encode({
      ceremony: run.facts.attempt?.ceremony ?? run.attempt,
      attempt: run.attempt,
      session: half % 16 === 1 ? run.attempt : session,
      protocol:
        half % 5 === 0 ? pick([table.protocols.keygen.id, table.protocols.sign.id]) : (anchor?.post.protocol ?? 'x'),
      within: within ?? null,
      accused: honest.site,
      party: (within === undefined
        ? honest.party
        : within.members.indexOf(Number(honest.party) as never) + 1 || honest.party) as Party,
      accuser: pick(liars).site,
      check,
      messages: messages.slice(0, 128).map(({ bytes, post }) => toBase64(half % 7 === 0 ? post.stripped : bytes)),
    } as Blame),
  )
}

const readable = (bytes: Uint8Array): readonly { bytes: Uint8Array; post: SignedMessage }[] => {
  try {
    return [{ bytes, post: readSignedMessage(bytes) }]
  } catch {
    return []
  }
}
