import * as v from 'valibot'
import type { Hash } from '../../lib/brand.ts'
import { compare, fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import { tupleHash } from '../../lib/hash.ts'
import { identity, siteId } from '../../records/fields.ts'

const memberSchema = v.strictObject({
  name: siteId,
  identity,
  role: v.picklist(['site', 'approver']),
})
/** A member, who may enter a room: a site of the roster, or an approver. */
export type Member = v.InferOutput<typeof memberSchema>

const MOST_MEMBERS = 48

/** In order of name; names and identities each stand once. */
export const membersSchema = v.pipe(
  v.array(memberSchema),
  v.minLength(1, 'expected a member'),
  v.maxLength(MOST_MEMBERS, `expected at most ${MOST_MEMBERS} members`),
  v.check(
    (list) => list.every((member, i) => i === 0 || compare(utf8(list[i - 1]?.name ?? ''), utf8(member.name)) < 0),
    'expected members in order of name, each once',
  ),
  v.check((list) => new Set(list.map((member) => member.identity)).size === list.length, 'expected each identity once'),
)

export const sortMembers = (members: readonly Member[]): Member[] =>
  [...members].sort((a, b) => compare(utf8(a.name), utf8(b.name)))

/** A room's name certifies who may enter it: anybody who knows the authority and its members can compute it. */
export const roomName = (authority: Hash, members: readonly Member[]): Hash =>
  toHex(
    tupleHash(
      'quorate/room/v1',
      fromHex(authority),
      ...sortMembers(members).map(({ name, identity: id, role }) =>
        tupleHash('quorate/room/v1 member', utf8(role), utf8(name), utf8(id)),
      ),
    ),
  ) as Hash
