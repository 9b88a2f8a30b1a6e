import type { Hash } from '../../lib/brand.ts'
import { fromHex, toHex, u32, utf8 } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'

/** A session inside another one: its protocol, its label, and the places that its parties have in the outer one. */
interface SubSessionName {
  readonly protocol: string
  readonly label: string
  readonly members: readonly number[]
}

/** Id of a sub-session of the session `outer`. */
export const subSession = (outer: Hash, { protocol, label, members }: SubSessionName): Hash =>
  toHex(tupleHash('quorate sub-session v2', fromHex(outer), utf8(protocol), utf8(label), ...members.map(u32))) as Hash

/** Id that version 0.1 gave: its labels began with the protocol, as those of today never do. */
const subSessionV1 = (outer: Hash, { label, members }: SubSessionName): Hash =>
  toHex(tupleHash('quorate sub-session v1', fromHex(outer), utf8(label), ...members.map(u32))) as Hash

/** Whether a claim's session is the sub-session that it names, in this version's naming or in that of version 0.1. */
export const isSubSession = (id: Hash, outer: Hash, name: SubSessionName): boolean =>
  id === (name.label.startsWith(`${name.protocol}:`) ? subSessionV1(outer, name) : subSession(outer, name))
