import type { Hash, Identity, Index, KeyHex, SiteId } from '../lib/brand.ts'
import type { Attempt } from './attempt.ts'
import type { Codec } from './codec.ts'
import type { Definition } from './definition.ts'
import type { Certificate, Purpose } from './identity.ts'

export interface Certified {
  readonly value: Certificate
  readonly hash: Hash
}

/** The author of a record, and the key that signed it. */
export interface Author {
  readonly identity: Identity
  /** null of an approver, who holds no share. */
  readonly site: SiteId | null
  readonly index: Index | null
  readonly key: KeyHex
  /** The certificates of this key that its author signed; none of an identity's own key. */
  readonly certificates: readonly Certified[]
}

/** The definition's terms: all that a stranger needs to judge a record by itself. */
export interface Terms {
  readonly definition: Definition
  readonly ceremony: Hash
  /** The sets of indices that give test signatures. */
  readonly testSets: readonly (readonly Index[])[]
  /** The key of an identity; undefined where the text is none. */
  identityKey(identity: Identity): KeyHex | undefined
}

/**
 * Further facts that a record is judged by. They only grow, and no predicate takes back what fewer facts allowed: so
 * what one site admits and logs, a stranger with all the logs accepts.
 */
export interface RecordFacts extends Terms {
  /** An attempt that all its participants signed. */
  started(attempt: Hash): Attempt | undefined
  /** Sites that certified a message key as theirs, in roster order. */
  owners(key: KeyHex): readonly Identity[]
  /** True where a site's vote for this record is known. */
  voted(site: SiteId, record: Hash): boolean
}

/** A fault by the id that a proof names it by, and the author's deed, to be read after its name. */
interface Fault {
  readonly check: string
  readonly deed: string
}

/** A fault that the record shows by itself. */
export interface OwnFault<T> extends Fault {
  readonly why: string
  broken(value: T, author: Author, terms: Terms): boolean
}

/** One signed record: how it is read, whose it is, where it goes, and when it is admitted. */
export interface RecordRow<T> {
  /** Writes the newest version, and reads those that older homes and bundles hold. */
  readonly codec: Codec<T>
  /** Purpose of the key that signs it; `identity`: the long-lived key itself. `nobody`: bytes that prove themselves. */
  readonly signedBy: Purpose | 'identity' | 'nobody'
  /** Its name in a ceremony log. */
  readonly event: string
  /** Its name in the ledger of its author, and what that event names. */
  readonly ledger: { readonly what: string; object(value: T, hash: Hash): Hash | null } | null
  /** The check of `audit verify` that answers for every record of this name in a log. */
  readonly reported: string
  /** Its author cannot leave any more: others may have finished with it, and beside it an abort decides nothing. */
  readonly keepsAuthor?: true
  /** Bodies of its author are in that author's own log before anybody else has them. */
  readonly durable: boolean
  /** Handed on as it comes: who hears of it late must not depend on its author still being there. */
  readonly forwarded: boolean
  /** `once`: logged when admitted. `later`: logged once it is known to hold. `never`: by whoever needs it there. */
  readonly logged: 'once' | 'later' | 'never'
  /** Most of them that are kept of one author, and what makes room: nobody's junk displaces another's records. */
  most(definition: Definition): number
  readonly full: 'refuse' | 'oldest'
  /** Records that are looked up together. */
  group(value: T): string
  /** The places that it takes, of which each holds one record of one author. */
  slots(value: T, author: Author, hash: Hash): readonly string[]
  /** The fault that two different records in one slot make; null: the first stands, and a second is of no use. */
  readonly twice: Fault | null
  /** A second one in a slot binds its author too, and is kept beside the first. */
  readonly bindsTwice: boolean
  /** Whom the record itself names as its author. */
  author(value: T, key: KeyHex, facts: RecordFacts): Identity | undefined
  /** Why a record cannot be one of this author under this definition, by itself; undefined where it can. */
  own(value: T, author: Author, terms: Terms): string | undefined
  readonly faults: readonly OwnFault<T>[]
  /** The fact that it rests on and that is not here; undefined where all are. */
  rests(value: T, author: Author, facts: RecordFacts): string | undefined
}
