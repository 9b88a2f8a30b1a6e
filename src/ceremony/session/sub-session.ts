import type { Hash } from '../../lib/brand.ts'
import { fromHex, toHex, u32, utf8 } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'
import type { ProtocolRules, Rounds } from '../../mpc/mailbox.ts'

/** A session inside an attempt's own: its protocol, its label, and the places that its parties have in the attempt. */
interface SubSessionName {
  readonly protocol: string
  readonly label: string
  readonly members: readonly number[]
}

/** Id of a sub-session of an attempt. */
export const subSession = (attempt: Hash, { protocol, label, members }: SubSessionName): Hash =>
  toHex(tupleHash('quorate sub-session v2', fromHex(attempt), utf8(protocol), utf8(label), ...members.map(u32))) as Hash

/** Id that version 0.1 gave: its labels began with the protocol, as those of today never do. */
const subSessionV1 = (attempt: Hash, { label, members }: SubSessionName): Hash =>
  toHex(tupleHash('quorate sub-session v1', fromHex(attempt), utf8(label), ...members.map(u32))) as Hash

/**
 * True where a claim's session is the sub-session that it names, in this version's naming or in that of version 0.1.
 */
export const isSubSession = (id: Hash, attempt: Hash, name: SubSessionName): boolean =>
  id === (name.label.startsWith(`${name.protocol}:`) ? subSessionV1(attempt, name) : subSession(attempt, name))

/** Name in the attempt of a session inside `outer` (null: the attempt's own), where `inner` counts places in `outer`. */
export const innerName = (
  outer: Pick<SubSessionName, 'label' | 'members'> | null,
  inner: SubSessionName,
): SubSessionName =>
  outer === null
    ? inner
    : {
        protocol: inner.protocol,
        label: `${outer.label}/${inner.label}`,
        members: inner.members.map((member) => outer.members[member - 1] as number),
      }

// biome-ignore lint/suspicious/noExplicitAny: of any rounds and context
type AnyRules = ProtocolRules<Rounds, any>

/** A session that an attempt runs: its own, or one inside it. */
export interface KnownSession {
  readonly id: Hash
  readonly rules: AnyRules
  /** Public context of its protocol. */
  readonly context: unknown
  /** null: the attempt's own. */
  readonly name: SubSessionName | null
  /** Places in the attempt, in party order. */
  readonly members: readonly number[]
  /** Its messages are part of the attempt's transcript: all parties are in it. */
  readonly inTranscript: boolean
}

/** True where a sub-session's parties are all those of the session around it, in order. */
export const isWhole = (members: readonly number[], parties: number): boolean =>
  members.length === parties && members.every((member, at) => member === at + 1)

/** An attempt's own session. */
export const ownSession = (attempt: Hash, rules: AnyRules, context: unknown, parties: number): KnownSession => ({
  id: attempt,
  rules,
  context,
  name: null,
  members: Array.from({ length: parties }, (_, at) => at + 1),
  inTranscript: true,
})

/** An attempt's own session, and every session that its protocol declares inside, in turn. */
export const sessionsOf = (attempt: Hash, rules: AnyRules, context: unknown, parties: number): KnownSession[] => {
  const found = [ownSession(attempt, rules, context, parties)]
  for (const outer of found)
    for (const inner of Object.values(outer.rules.within ?? {}))
      for (const { label, members: some } of inner.sessions(outer.context)) {
        const all = outer.members.map((_, at) => at + 1)
        const own = { protocol: inner.rules.id, label, members: (some ?? all).map(Number) }
        const name = innerName(outer.name, own)
        found.push({
          id: subSession(attempt, name),
          rules: inner.rules,
          context: inner.context(outer.context, label),
          name,
          members: name.members,
          inTranscript: outer.inTranscript && isWhole(own.members, outer.members.length),
        })
      }
  return found
}
