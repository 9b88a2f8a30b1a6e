import { encodeSigstore } from '../../src/audit/sigstore.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import { parseIdentity } from '../../src/identity/identity.ts'
import type { Hash, KeyHex, SiteId } from '../../src/lib/brand.ts'
import { fromUtf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { DecodeError } from '../../src/records/codec.ts'
import type { Definition } from '../../src/records/definition.ts'
import { rowOf } from '../../src/records/record-table.ts'
import { type Chain, open } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'
import type { MemoryWorld } from '../support/memory-site.ts'
import type { Liar } from './ceremonies.ts'
import { type Base, lyingCeremony } from './own-log.ts'
import { type LogLie, lyingEnding } from './own-log-lies.ts'
import { lyingSite, type RecordLie, type Samples } from './record-lies.ts'
import { bundleAt } from './strangers.ts'

/**
 * Which checks of the audit a lie would violate, had an honest site taken it in: the lie is made of what its site said in
 * a ceremony of honest sites, and is put into the bundle of that ceremony as if an honest log had it.
 */

const honest = 's1' as SiteId

export interface Heard {
  readonly kind: Definition['kind']
  readonly world: MemoryWorld
  readonly bundle: Uint8Array
  /** The site that will lie, and all that it said to the honest one. */
  readonly liar: Liar
  readonly said: readonly PeerMessage[]
  readonly posts: readonly { readonly topic: Hash; readonly bytes: Uint8Array }[]
}

export const hearHonest = async (base: Base, kind: Definition['kind'], by: SiteId): Promise<Heard> => {
  const said: PeerMessage[] = []
  const posts: { topic: Hash; bytes: Uint8Array }[] = []
  const liar: Liar = {
    site: by,
    ceremony: undefined,
    talk(_to, message) {
      said.push(message)
      return [message]
    },
    post(topic, _to, bytes) {
      // A session wipes what it sent.
      posts.push({ topic, bytes: bytes.slice() })
      return [bytes]
    },
  }
  const { world, joined } = await lyingCeremony(base, kind, `heard ${by}`, () => liar, by)
  const [first] = joined
  const bundle = first && (await bundleAt(world, first))
  if (bundle === undefined) throw new Error('no bundle')
  return { kind, world, bundle, liar, said, posts }
}

/** Ids of the checks that do not hold of a bundle. */
const notHeld = async (bytes: Uint8Array, message: Uint8Array): Promise<readonly string[]> => {
  const { checks } = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence, message })
  return checks
    .filter(({ id, verdict, accused }) => verdict !== 'holds' || (id === 'blame.proven' && accused))
    .map(({ id }) => id)
}

/** Throws DecodeError. */
const noteText = (bytes: Uint8Array): string => {
  try {
    return fromUtf8(bytes)
  } catch {
    throw new DecodeError('a note that is no text')
  }
}

const violated = async (
  { world, bundle }: Heard,
  message: Uint8Array,
  edit: (draft: Draft, log: SiteId) => void,
): Promise<readonly string[]> => {
  const taken = (await open(bundle)).manifest.logs
  const log = taken.includes(honest) ? honest : (taken.find((one) => one !== 's3') as SiteId)
  try {
    return await notHeld(await forge({ world } as Chain, bundle, (draft) => edit(draft, log)), message)
  } catch (error) {
    // A log that is none can stand in no bundle.
    if (error instanceof DecodeError || (error instanceof QuorateError && error.code === 'E_BUNDLE')) return []
    throw error
  }
}

/** Of a lie about a record, a message of a round or a message between sites. */
export const violatedByRecord = async (
  heard: Heard,
  samples: Samples,
  lie: RecordLie,
  message: Uint8Array,
): Promise<readonly string[]> => {
  const { ceremony } = heard.liar
  if (ceremony === undefined) throw new Error('no ceremony')
  const lying = lyingSite(lie, samples)
  lying.ceremony = ceremony
  await lying.opened?.(ceremony)
  for (const one of heard.said) lying.talk(honest, one)
  const rounds = heard.posts.flatMap(({ topic, bytes }) =>
    lying.post(topic, honest, bytes).filter((one) => one !== bytes),
  )
  return violated(heard, message, (draft, log) => {
    for (const one of lying.lied) takeIn(heard, draft, log, lie.by, one)
    for (const bytes of rounds) draft.add(log, { what: 'message', site: lie.by, object: draft.put(bytes) })
  })
}

const keyOf = (world: MemoryWorld, site: SiteId): KeyHex =>
  parseIdentity(world.homes.get(site)?.home.identity ?? '')?.key as KeyHex

/** Puts into an honest log, or beside it, what its site would have refused. */
const takeIn = ({ world }: Heard, draft: Draft, log: SiteId, by: SiteId, message: PeerMessage): void => {
  switch (message.is) {
    case 'object':
      draft.add(log, { what: rowOf(message.name).event as never, site: by, object: draft.put(message.bytes) })
      return
    case 'log': {
      const { events, checkpoint, ledger } = message
      draft.afterwards.set(by, () => ({ events, checkpoint: noteText(checkpoint), ledger }))
      return
    }
    case 'ledger':
      draft.add(log, { what: 'peer-ledger', site: by, object: draft.put(message.note) })
      return
    case 'cosignature':
      draft.extraLines.set(log, () => noteText(message.line))
      return
    case 'manifest':
      draft.forgedSignatures.set(by, (statement) => encodeSigstore(statement, keyOf(world, by), message.signature))
      return
    default:
  }
}

/** Of a lie in the liar's own log. */
export const violatedByLog = async (heard: Heard, lie: LogLie, message: Uint8Array): Promise<readonly string[]> => {
  const { ceremony, site } = heard.liar
  const told = heard.said.find((one) => one.is === 'log')
  if (ceremony === undefined || told === undefined) throw new Error('no log')
  const bodies = new Map<Hash, Uint8Array>()
  const said = lyingEnding(ceremony, honest, lie, told, bodies)
  return violated(heard, message, (draft) => {
    for (const [hash, bytes] of bodies) draft.objects.set(hash, bytes)
    draft.afterwards.set(site, () => ({
      events: said.events,
      checkpoint: noteText(said.checkpoint),
      ledger: said.ledger,
    }))
  })
}
