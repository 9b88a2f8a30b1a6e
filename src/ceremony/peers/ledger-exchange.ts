import type { Checkpoint } from '../../audit/log.ts'
import type { Hash, Identity, SiteId } from '../../lib/brand.ts'
import { fromHex, utf8 } from '../../lib/bytes.ts'
import { fenceIn, recordKind } from '../../records/definition.ts'
import type { Member } from '../definition/authority.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { extendsHead, type KnownHeads, openHead } from './ledger-heads.ts'
import type { PeerMessage } from './peer-message.ts'

/** This site's knowledge of one other site in this room. */
export interface Peer {
  readonly member: Member
  connected: boolean
  /** The head of its ledger that it proved here. */
  head: Checkpoint | undefined
  /** It remembers a head of this site's ledger that this one does not go on from, so it takes no seat beside this site. */
  refusesUs: boolean
  /** Of which chain of its heads that one is: a readmission begins another. */
  generation: number
  /** The head that this site remembered when the join began; undefined at the first contact. */
  readonly remembered: Checkpoint | undefined
  /** Both heads, where the one shown does not extend the one remembered. */
  rolledBack: { readonly remembered: string; readonly shown: string } | undefined
  /** The head from which it was asked, on this channel, to show its ledger on. */
  asked: Checkpoint | undefined
  /** Size of this site's own ledger that the peer has been shown. */
  shown: number | undefined
  /**
   * Milliseconds by which its clock was ahead of this machine's when its channel opened; undefined before. Negative says little: what it said
   * may have come late.
   */
  ahead: number | undefined
  /** The phase in its newest note: its own word. */
  said: string | undefined
}

/** The head from which a site that is taken back in this ceremony shows its ledger; without a note, since the definition names it. */
const returnsFrom = ({ authority: { definition } }: Ceremony, site: SiteId): Checkpoint | undefined =>
  'returning' in definition && definition.returning === site ? { ...definition.ledger, note: '' } : undefined

/** The same while this site has not taken it back: of what it remembers, nothing counts in this ceremony. */
const pendingFrom = (ceremony: Ceremony, site: SiteId, identity: Identity): Checkpoint | undefined =>
  ceremony.site.peerHeads.hasReadmitted(identity, ceremony.authority.hash) ? undefined : returnsFrom(ceremony, site)

/** The key that a ceremony is about. */
const keyOf = ({ authority: { definition } }: Ceremony): Hash | null =>
  recordKind(definition).key(definition) ?? fenceIn(definition)?.key ?? null

/** The other sites of a ceremony, none of them met yet, with the heads that this site's ledger remembers of theirs. */
export const peersOf = (ceremony: Ceremony): ReadonlyMap<SiteId, Peer> => {
  const { site, authority, seat } = ceremony
  return new Map(
    authority.roster
      .filter((member) => member.name !== seat.name)
      .map((member) => [
        member.name,
        {
          member,
          connected: false,
          head: undefined,
          refusesUs: false,
          generation: 0,
          remembered: pendingFrom(ceremony, member.name, member.identity) ?? site.peerHeads.of(member.identity),
          rolledBack: undefined,
          asked: undefined,
          shown: undefined,
          ahead: undefined,
          said: undefined,
        },
      ]),
  )
}

/** How sites prove to each other that no ledger went back: heads remembered, heads shown, and the proofs between them. */
export class LedgerExchange {
  readonly #ceremony: Ceremony
  readonly #peers: ReadonlyMap<SiteId, Peer>
  readonly #send: (to: SiteId, message: PeerMessage) => void
  /** Set where this site itself was shown to be rolled back. */
  ownRollback: { readonly remembered: string } | undefined

  constructor(ceremony: Ceremony, peers: ReadonlyMap<SiteId, Peer>, send: (to: SiteId, message: PeerMessage) => void) {
    this.#ceremony = ceremony
    this.#peers = peers
    this.#send = send
  }

  /** Shows each peer how this site's ledger has grown, up to the head in its newest hello, so that this is proven. */
  show(): void {
    for (const peer of this.#peers.values()) this.#show(peer)
  }

  /** A peer says which head of this site's ledger it remembers, and is shown how the ledger goes on from there. */
  remembered(from: SiteId, note: Uint8Array): void {
    const peer = this.#peers.get(from)
    const { site, seat, store } = this.#ceremony
    if (peer === undefined) return
    const head = note.length === 0 ? undefined : openHead(note, seat.identity, [site.home.keys.log.key])
    if (note.length > 0 && head === undefined) return
    const own = site.ledger.head
    const differs =
      head !== undefined && own !== undefined && (head.size > own.size || site.ledger.root(head.size) !== head.root)
    // A site that is taken back shows its ledger from the head that all approved, whatever a peer remembers.
    const returns = returnsFrom(this.#ceremony, seat.name)
    if (returns !== undefined && (head === undefined || differs)) {
      peer.shown = returns.size
      this.#show(peer)
      store.changed()
      return
    }
    if (head !== undefined && differs) {
      // Signed by this site's own log key: this home is older than, or forked from, one that was shown before.
      peer.refusesUs = true
      if (!this.#canDoWithout()) this.ownRollback = { remembered: head.note }
      store.changed()
    }
    peer.shown = head !== undefined && own !== undefined && head.size <= own.size ? head.size : 0
    this.#show(peer)
    store.changed()
  }

  /**
   * A site that was taken back is still refused by whoever had no part in that, and heads from before it are no secret: that
   * ends its join only where too few are left without those who say so.
   */
  #canDoWithout(): boolean {
    const { authority, seat, site } = this.#ceremony
    const wasTakenBack = [...site.ledger.replay()].some(({ what }) => what === 'rebound')
    const left = authority.candidates.filter(({ name }) => this.#peers.get(name)?.refusesUs !== true)
    const isCandidate = authority.candidates.some(({ name }) => name === seat.name)
    return wasTakenBack && isCandidate && left.length >= authority.seats
  }

  /** True where every other site has been shown this site's ledger. */
  get shownToAll(): boolean {
    return [...this.#peers.values()].every((peer) => peer.connected && peer.shown !== undefined)
  }

  #show(peer: Peer): void {
    const { ledger } = this.#ceremony.site
    const head = this.#ceremony.greeted
    if (head === undefined || peer.shown === undefined || !peer.connected) return
    const [from, to] = peer.shown < head.size ? [peer.shown, head.size] : [head.size, peer.shown]
    const proof = from === 0 ? [] : ledger.consistency(from, to).map(fromHex)
    this.#send(peer.member.name, { is: 'ledger', note: utf8(head.note), from: peer.shown, proof })
    // Where the peer knows more already, by another ceremony, the next head goes on from there.
    peer.shown = to
  }

  get #known(): KnownHeads {
    return this.#ceremony.site.peerHeads
  }

  /** True of a site that is to be taken back in this ceremony, and that this site has not taken back yet. */
  isPending({ member }: Peer): boolean {
    return pendingFrom(this.#ceremony, member.name, member.identity) !== undefined
  }

  /** True where this home remembers the head that a peer proved here: one that only this ceremony takes is none of them. */
  mayRemember(peer: Peer): boolean {
    return !this.isPending(peer) && this.isOnChain(peer)
  }

  /** True where the head that a peer proved here is of the chain that this home knows of it now. */
  isOnChain(peer: Peer): boolean {
    return peer.generation === this.#known.generation(peer.member.identity)
  }

  /** The head of a peer's ledger that its next one must extend: here, or in another ceremony of this home, it was shown. */
  newest(peer: Peer): Checkpoint | undefined {
    const { name, identity } = peer.member
    const pending = pendingFrom(this.#ceremony, name, identity)
    if (pending !== undefined) return peer.head ?? this.#known.of(identity) ?? pending
    return this.#known.refusedFor(identity, keyOf(this.#ceremony)) ?? this.#known.of(identity)
  }

  /** A peer shows its ledger's head, and the proof that it extends the head that this site remembers. */
  shown(from: SiteId, message: Extract<PeerMessage, { is: 'ledger' }>): void {
    const peer = this.#peers.get(from)
    if (peer === undefined) return
    const head = openHead(message.note, peer.member.identity, this.#ceremony.store.keys(from, 'log'))
    if (head === undefined) return
    const { identity } = peer.member
    const pending = this.isPending(peer)
    const refused = pending ? undefined : this.#known.refusedFor(identity, keyOf(this.#ceremony))
    if (refused !== undefined) {
      // Taken back for another key alone: what it promised of this one nobody has shown it.
      peer.rolledBack = { remembered: refused.note, shown: head.note }
      this.#ceremony.store.changed()
      return
    }
    const floor = pendingFrom(this.#ceremony, peer.member.name, identity)
    // The head known here may lie on the same ledger; where it does not, the one that all approved counts.
    const returns = floor !== undefined && peer.head === undefined && message.from === floor.size
    const known = this.#known.of(identity)
    const goesOn = known !== undefined && message.from === known.size && extendsHead(known, head, message.proof)
    if (pending && goesOn) this.#known.notePeerGoesOn(identity, this.#ceremony.authority.hash)
    const old = returns && !goesOn && extendsHead(floor, head, message.proof) ? floor : this.newest(peer)
    const seen =
      [old, this.isOnChain(peer) ? peer.head : undefined].some(
        (one) => one !== undefined && one.size === head.size && one.root === head.root,
      ) ||
      (old !== undefined && this.#isOnTheWay(peer, head, old, message))
    if (old === undefined || seen || (message.from === old.size && extendsHead(old, head, message.proof))) {
      if (!seen && !pending) this.#known.take(identity, head)
      peer.head = head
      peer.generation = this.#known.generation(identity)
      peer.rolledBack = undefined
      peer.asked = undefined
    } else if (message.from !== old.size && (head.size > old.size || !this.#learntHere(peer, old))) {
      // A message before this one is missing, or another ceremony was shown more: nothing says that the ledger went back. It
      // is asked to go on from here, once: what it sent before it heard has gaps too, and a liar would ask without end.
      if (peer.asked?.note !== old.note) this.#send(from, { is: 'remember', note: utf8(old.note) })
      peer.asked = old
    } else peer.rolledBack = { remembered: old.note, shown: head.note }
    this.#ceremony.store.changed()
  }

  /** True of a head between those of this ceremony and the newest one, which another ceremony was shown first. */
  #isOnTheWay(
    peer: Peer,
    head: Checkpoint,
    newest: Checkpoint,
    { from, proof }: Extract<PeerMessage, { is: 'ledger' }>,
  ) {
    const last = peer.head ?? peer.remembered
    return from === newest.size && head.size >= (last?.size ?? 0) && extendsHead(head, newest, proof)
  }

  /** True where no other ceremony of this home was shown it since this join began. */
  #learntHere(peer: Peer, head: Checkpoint): boolean {
    return (peer.head ?? peer.remembered)?.note === head.note
  }

  /** True where what a peer showed, or the head that its hello names, does not go on from the newest head that is known. */
  doubts(name: SiteId, { size, root }: Pick<Checkpoint, 'size' | 'root'>): boolean {
    const peer = this.#peers.get(name)
    const known = peer && this.newest(peer)
    if (peer?.asked !== undefined || peer?.rolledBack !== undefined) return true
    if (peer?.head !== undefined && !this.isOnChain(peer)) return true
    if (peer?.head?.size === size && peer.head.root === root) return false
    return known !== undefined && (size < known.size || (size === known.size && root !== known.root))
  }

  /** True where a peer's ledger is proven up to the head in its newest hello. */
  proven(name: SiteId): boolean {
    const hello = this.#ceremony.store.hellos.get(name)
    const peer = this.#peers.get(name)
    const head = peer?.head
    return (
      hello !== undefined &&
      head !== undefined &&
      this.isOnChain(peer as Peer) &&
      hello.signed.value.ledger.size === head.size &&
      hello.signed.value.ledger.root === head.root
    )
  }
}
