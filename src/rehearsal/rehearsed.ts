import { messageBytes } from '../ceremony/definition/message.ts'
import { type Epoch, newestEpoch } from '../ceremony/epoch/epoch.ts'
import type { SiteId, Time } from '../lib/brand.ts'
import { toHex } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import { sealingOf } from '../records/access.ts'
import { type Definition, definitionCodec, fenceIn, recordKind } from '../records/definition.ts'
import type { SiteEntry } from '../records/definition-fields.ts'
import type { KeygenDefinition } from '../records/kinds/keygen.ts'
import type { ReadmitDefinition } from '../records/kinds/readmit.ts'
import type { RewrapDefinition } from '../records/kinds/rewrap.ts'
import type { SignMessage } from '../records/kinds/sign.ts'
import { type Joined, joinAll } from './act.ts'
import { memoryRoom } from './memory-room.ts'
import { seededRandom } from './seeded-random.ts'
import { approveAs, approverPlayer, cardOf, type Player, type Props, siteOf, sitePlayer } from './stage.ts'

/** Everybody whom a definition names, with keys that are thrown away. */
interface Cast {
  /** In roster order. */
  readonly sites: readonly Player[]
  readonly approvers: readonly Player[]
  /** Holders of a key that is taken out of use, in index order: those of the sites that are, and others in their place. */
  readonly holders: readonly Player[]
}

export const castOf = async (props: Props, definition: Definition): Promise<Cast> => {
  const { approvers } = definition
  const sites = await Promise.all(definition.sites.map((entry) => sitePlayer(props, entry)))
  return {
    sites,
    holders: await holdersOf(props, definition, sites),
    approvers: await Promise.all(approvers.map((_, at) => approverPlayer(props, `approver-${at + 1}` as SiteId))),
  }
}

const holdersOf = (props: Props, definition: Definition, sites: readonly Player[]): Promise<readonly Player[]> =>
  Promise.all(
    (fenceIn(definition)?.holders ?? []).map(({ name, identity }) => {
      const at = definition.sites.findIndex((site) => site.identity === identity)
      const [first] = definition.sites as [Definition['sites'][number]]
      const control = { organisation: name, account: name, administrator: name }
      const old = `${name.slice(0, 28)}-old` as SiteId
      return sites[at] ?? sitePlayer(props, { ...first, name: old, control })
    }),
  )

const cards = (players: readonly Player[]) => Promise.all(players.map(cardOf))

/** Fields that name keys and places of the world outside, of which a rehearsal has others. */
const thrownAway = ({ seed }: Props, definition: Definition, label: string) => ({
  nonce: toHex(seededRandom(`${seed} nonce ${label}`)(16)),
  relays: definition.relays.map((_, at) => ({ url: `wss://relay-${at + 1}.invalid`, identity: null })),
})

/** The bytes that are signed, and the definition's word of them: the real ones where they are given, else as many others. */
export const messageFor = (definition: Definition, given: Uint8Array | undefined): Message | undefined => {
  if (!('message' in definition)) return undefined
  const { message } = definition
  if (given !== undefined || message.form === 'digest')
    return { content: messageBytes(message, given), message, replaced: false }
  const content = new Uint8Array(message.size).fill('.'.charCodeAt(0))
  return { content, message: { ...message, sha256: hashOf(content) }, replaced: true }
}

interface Message {
  readonly content: Uint8Array
  readonly message: SignMessage
  readonly replaced: boolean
}

/**
 * The same decisions, by others: throw-away identities, KMS keys, relays, and the throw-away key where it uses one.
 */
export const rehearsed = async (
  props: Props,
  definition: Definition,
  cast: Cast,
  epoch: Epoch | undefined,
  message: Message | undefined,
): Promise<Definition> => {
  const changed = {
    ...definition,
    ...thrownAway(props, definition, 'rehearsed'),
    sites: await cards(cast.sites),
    approvers: cast.approvers.map(({ identity }) => identity).sort(),
    ...(message === undefined ? {} : { message: message.message }),
    ...(epoch !== undefined && 'key' in definition ? { key: epoch.key, base: epoch.hash } : {}),
    ...(epoch !== undefined && 'epoch' in definition ? { epoch: epoch.number + 1 } : {}),
    ...(epoch !== undefined && 'fences' in definition
      ? { fences: { ...definition.fences, key: epoch.key, base: epoch.hash, holders: heldBy(cast) } }
      : {}),
    ...(epoch !== undefined && 'from' in definition ? { from: { ...definition.from, ...publicPart(epoch) } } : {}),
    ...(epoch !== undefined && 'of' in definition ? { of: publicPart(epoch) } : {}),
    ...('returning' in definition ? { ledger: await ledgerOf(props, cast, definition.returning) } : {}),
    ...(epoch !== undefined && 'witnesses' in definition ? { old: await oldSeal(definition, cast, epoch) } : {}),
  }
  return definitionCodec.decode(definitionCodec.encode(changed as Definition))
}

/** The head of a player's ledger as it is now: in a rehearsal none goes back, and the site returns with all of it. */
const ledgerOf = async (props: Props, { sites }: Cast, returning: SiteId): Promise<ReadmitDefinition['ledger']> => {
  const player = sites.find(({ name }) => name === returning)
  if (player === undefined) throw new Error('a site that returns and is none of the sites')
  const { ledger } = await siteOf(props, player, memoryRoom(), 0)
  return { size: ledger.size, root: ledger.root(ledger.size) }
}

/** The throw-away share lies under the one throw-away KMS key that its site has, and is sealed under that again. */
const oldSeal = async (
  { site }: RewrapDefinition,
  { sites }: Cast,
  { record }: Epoch,
): Promise<RewrapDefinition['old']> => {
  const place = sites.findIndex(({ name }) => name === site)
  const player = sites[place]
  const envelope = record.envelopes[place]
  if (player === undefined || envelope === undefined)
    throw new TypeError('a site whose share is sealed anew, and no player')
  return { envelope, kms: (await cardOf(player)).kms }
}

const heldBy = ({ holders }: Cast) => holders.map(({ name, identity }) => ({ name, identity }))

const publicPart = ({ outcome: { publicKey, verifyingShares } }: Epoch) => ({ publicKey, verifyingShares })

/** A day, in milliseconds: longer than any ceremony that makes a throw-away key without faults. */
export const DAY = 86_400_000

export const timeAt = (ms: number): Time => `${new Date(ms).toISOString().slice(0, 19)}Z` as Time

/** A key of these players alone, made as the definition's would be. */
export const throwAwayKey = async (
  props: Props,
  definition: Definition,
  players: readonly Player[],
  threshold: number,
): Promise<Epoch> => {
  const now = props.clock.now()
  const { name, protocol, attempts, deadlines } = definition
  const sites = await cards(players)
  const keygen: KeygenDefinition = {
    kind: 'keygen',
    ...{ name, protocol, threshold, sealing: sealingOf(sites), attempts, deadlines },
    ...thrownAway(props, definition, 'key'),
    sites,
    approvers: [],
    window: { opens: timeAt(now - DAY), closes: timeAt(now + DAY) },
    base: null,
  }
  for (const player of players) await approveAs(props, player, keygen, players)
  const room = memoryRoom()
  const joined = await joinAll(props, { definition: keygen, players, room, message: null }, 1)
  const id = joined.map(({ result }: Joined) => result?.key?.id).find((key) => key !== undefined)
  if (id === undefined) throw refused(joined)
  return newestEpoch(await siteOf(props, players[0] as Player, room, 0), id)
}

/** Without faults only this machine can be in the way, its clock for instance: its own word of that is the answer. */
const refused = (joined: readonly Joined[]): Error => {
  const fault = joined.find((join) => join.fault !== null)?.fault
  if (!fault) return new Error('a throw-away key that nobody made')
  return new QuorateError(fault.code, fault.message, fault.hint)
}

/** The key that a ceremony uses, or takes out of use, made by the sites that hold its shares; undefined where it makes a new one. */
export const keyFor = async (props: Props, definition: Definition, cast: Cast): Promise<Epoch | undefined> => {
  const kind = recordKind(definition)
  const fence = fenceIn(definition)
  if (fence !== undefined) return throwAwayKey(props, definition, cast.holders, fence.threshold)
  if (kind.key(definition) === null) return undefined
  const { threshold, sites } = kind.replaces(definition) ?? {
    threshold: definition.threshold,
    sites: kind.receivers(definition),
  }
  const players = await Promise.all(
    sites.map(
      (name, at) =>
        // A site that lost its share is nobody's player any more: one like the machine in its place made the key.
        cast.sites.find((player) => player.name === name) ??
        sitePlayer(props, { ...(definition.sites[at] as SiteEntry), name }),
    ),
  )
  return throwAwayKey(props, definition, players, threshold)
}
