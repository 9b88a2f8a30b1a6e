import type { Checkpoint } from '../audit/log.ts'
import { ceremonyKind } from '../ceremony/kinds/index.ts'
import { messagePath } from '../ceremony/paths.ts'
import { KnownHeads } from '../ceremony/peers/ledger-heads.ts'
import { openRoot } from '../host/disk.ts'
import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { ceremonyId, type Definition, fenceIn, recordKind } from '../records/definition.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import { returningIdentity } from '../records/kinds/readmit.ts'
import { type WholeKeyHere, wholeKeysOf } from './given-away.ts'
import { keyBase } from './keys.ts'
import { fencedByLedger } from './ledger.ts'
import { votedIn, votesOfHome } from './votes.ts'

/** Things of which a definition holds only hashes, as people see them. */
export interface Seen {
  /** The bytes that are to be signed; undefined: not at hand here. */
  readonly content: Uint8Array | undefined
  /** The key that is used, or taken out of use; undefined: this home does not know it. */
  readonly key: { readonly name: string; readonly protocol: ProtocolId; readonly publicKey: string } | undefined
  /** The emergency in which this site promised to use that key no more; undefined: none is known here. */
  readonly fenced?: Hash | undefined
  /** The ledger of the site that is to be taken back, as this home remembers it; undefined: it knows none. */
  readonly peerLedger?: Pick<Checkpoint, 'size' | 'root'> | undefined
  /** The ceremony in which this site voted for a record, by the record's hash. */
  readonly voted: ReadonlyMap<Hash, Hash>
  /** Ceremonies in which this home gave its share of that key to recipients of the whole key. */
  readonly reconstructed: readonly WholeKeyHere[]
}

export const NOTHING_SEEN: Seen = { content: undefined, key: undefined, voted: new Map(), reconstructed: [] }

const keyOf = async (home: string, definition: Definition): Promise<Seen['key']> => {
  const key = recordKind(definition).key(definition) ?? fenceIn(definition)?.key ?? null
  if (key === null) return undefined
  try {
    const { publicKey, definition: made } = await keyBase(home, key)
    return { name: made.name, protocol: made.protocol, publicKey }
  } catch (error) {
    // An approver has no keys; a site's own command says that it lacks this one.
    if (error instanceof QuorateError) return undefined
    throw error
  }
}

/** The ledger's words. None where it cannot be read: an approver's has none. */
const saidOf = async (home: string, definition: Definition): Promise<Pick<Seen, 'voted' | 'fenced' | 'peerLedger'>> => {
  const key = recordKind(definition).key(definition)
  const returning = 'returning' in definition ? returningIdentity(definition) : undefined
  try {
    return await votesOfHome(home, async ({ ledger }) => ({
      voted: votedIn(ledger),
      peerLedger: returning === undefined ? undefined : new KnownHeads(ledger).of(returning),
      fenced: key === null ? undefined : fencedByLedger(ledger).get(key),
    }))
  } catch (error) {
    if (error instanceof QuorateError) return { voted: new Map() }
    throw error
  }
}

const ownFacts = async (home: string, definition: Definition): Promise<Omit<Seen, 'content'>> => ({
  key: await keyOf(home, definition),
  ...(await saidOf(home, definition)),
  reconstructed: await wholeKeysOf(home, recordKind(definition).key(definition)),
})

/**
 * Everything that this home can show: `given` is the content as a person brought it. Throws E_REFUSED where it is not the
 * one that the definition names.
 */
export const seenFrom = async (home: string, definition: Definition, given: Uint8Array | undefined): Promise<Seen> => {
  if (given !== undefined) ceremonyKind(definition).refuseUnfit(definition, { base: undefined, message: given })
  return { content: given, ...(await ownFacts(home, definition)) }
}

/** The same, with the content that was kept when this home approved; where that is damaged none is shown, and join says so. */
export const seenAtJoin = async (home: string, definition: Definition): Promise<Seen> => {
  const disk = await openRoot(home)
  try {
    return await seenFrom(home, definition, await disk.read(messagePath(ceremonyId(definition))))
  } catch (error) {
    if (error instanceof QuorateError) return { content: undefined, ...(await ownFacts(home, definition)) }
    throw error
  } finally {
    await disk.close()
  }
}
