import type { Hash, SiteId } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Secret } from '../../lib/secret.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import { accessIn } from '../../records/access.ts'
import { ceremonyId } from '../../records/definition.ts'
import { type RewrapDefinition, rewrappedEntry } from '../../records/kinds/rewrap.ts'
import { type Rewrapped, rewrapContext, rewrapHolds } from '../../records/rewrap.ts'
import { envelopeHash } from '../../records/sealed-shard.ts'
import { recordHash } from '../../records/signed.ts'
import { sealShard } from '../../shards/seal.ts'
import { recordBlame } from '../blame/claims.ts'
import { refuseErrors } from '../definition/finding.ts'
import { keyBaseOf } from '../definition/key-base.ts'
import { lintGiven } from '../definition/lint-key.ts'
import { awaitAll } from '../epoch/await-all.ts'
import { awaitEach } from '../epoch/await-each.ts'
import { type Epoch, epochInLog, newestEpoch, noteEpoch, openShare, refuseUnusable } from '../epoch/epoch.ts'
import { refuseFalseShare } from '../epoch/false-share.ts'
import { keysOf } from '../epoch/own-keys.ts'
import { refuseOtherRewrap, refuseOtherSeal } from '../epoch/rewrap-base.ts'
import { hedged } from '../hedge.ts'
import type { Site } from '../ports.ts'
import { BlameError } from '../session/endings.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { Held } from '../store/shelf.ts'
import type { CeremonyKind, Duties, FoundFault, KindRun } from './kind.ts'

const notFinished = (step: 'witnessed' | 'replaced', waiting: readonly SiteId[]): QuorateError => {
  const who = waiting.join(', ')
  return step === 'witnessed'
    ? new QuorateError(
        'E_NOT_FINISHED',
        `too few have cosigned the new envelope; waiting: ${who}`,
        `the old envelope still opens this site’s share. ${waiting.join(' and ')} run join again, and then this site does; or leave this ceremony (quorate rotate abort) and plan with other witnesses`,
        { waiting },
      )
    : new QuorateError(
        'E_NOT_FINISHED',
        `${who} has not said yet that its new envelope is in use`,
        `this site has cosigned, and its own share is as before. ${who} runs join again, and then this site does to complete the bundle`,
        { waiting },
      )
}

/** One site seals its share anew and proves it; the others hold the proof against what they know, and cosign. */
class RewrapRun implements KindRun {
  readonly #ceremony: Ceremony
  readonly #protocols: Scheme
  readonly #epoch: Epoch
  readonly #definition: RewrapDefinition
  readonly #duties: Duties

  constructor(ceremony: Ceremony, protocols: Scheme, epoch: Epoch, definition: RewrapDefinition, duties: Duties) {
    this.#ceremony = ceremony
    this.#protocols = protocols
    this.#epoch = epoch
    this.#definition = definition
    this.#duties = duties
  }

  get #isOwn(): boolean {
    return this.#ceremony.seat.name === this.#definition.site
  }

  get #said(): Held<Rewrapped> | undefined {
    return this.#ceremony.store.rewrapped.get(this.#definition.site)
  }

  #holds({ signed }: Held<Rewrapped>): boolean {
    return rewrapHolds(signed.value, this.#definition, this.#protocols)
  }

  /** A new envelope whose proof holds, made in an attempt in which this site sits. */
  #checked(): Held<Rewrapped> | undefined {
    const said = this.#said
    return said !== undefined && this.#holds(said) ? said : undefined
  }

  get #hasCosigned(): boolean {
    return this.#ceremony.store.witnessed.has(this.#ceremony.seat.name)
  }

  isSettled(): boolean {
    return this.#isOwn ? this.#said !== undefined : this.#hasCosigned || this.#checked() !== undefined
  }

  async settle(): Promise<boolean> {
    if (!this.isSettled()) return false
    const said = this.#checked()
    if (!this.#isOwn && !this.#hasCosigned && said !== undefined) await this.#cosign(said)
    return true
  }

  async attempt(session: Session, attempt: HeldAttempt): Promise<void> {
    if (this.#isOwn) return this.#sealAnew(attempt)
    const { site } = this.#definition
    const said = await awaitAll(
      this.#ceremony,
      session,
      'rewrapped',
      () => this.#said,
      () => [site],
    )
    const [found] = this.faults()
    if (found !== undefined) throw new BlameError(recordBlame(this.#ceremony, found.fault, found.rest, attempt))
    await this.#cosign(said)
  }

  async #sealAnew({ hash: attempt }: HeldAttempt): Promise<void> {
    const { authority, seat, site } = this.#ceremony
    const about = { ceremony: authority.hash, attempt, envelope: await this.#stage(attempt) }
    const share = await this.#reopen(about.envelope, 'all')
    let proof: Uint8Array
    try {
      const context = rewrapContext(about)
      proof = this.#protocols.provePossession(share, seat.index, context, hedged(site, context, 'possession', share))
    } finally {
      share.wipe()
    }
    await refuseUnusable(site, this.#epoch)
    await refuseOtherRewrap(site, this.#definition)
    this.#duties.mayBind()
    await this.#ceremony.publish('rewrapped', { ...about, site: seat.name, index: seat.index, proof: toHex(proof) })
  }

  /** The new envelope, durable beside the old one: the same words, but for where its keys lie, and how many they are. */
  async #stage(attempt: Hash): Promise<Hash> {
    const ceremony = this.#ceremony
    const { authority, seat, site } = ceremony
    const { key, record } = this.#epoch
    const core = (await site.shards.read(key, record.outcome))?.core
    if (core === undefined) throw new TypeError('an epoch in use that is not on the disk')
    const share = await openShare(ceremony, this.#epoch)
    try {
      refuseFalseShare(this.#ceremony, this.#protocols, this.#definition.of.verifyingShares, share)
      const sealed = await sealShard({
        core: { ...core, jurisdiction: seat.entry.jurisdiction, access: accessIn(seat.entry) },
        share,
        keys: await this.#newKeys(),
        random: hedged(site, attempt, 'sealing', share),
      })
      await site.shards.stageRewrap(key, record.outcome, authority.hash, sealed)
      return envelopeHash(sealed)
    } finally {
      share.wipe()
    }
  }

  #newKeys() {
    const { seat, site } = this.#ceremony
    return keysOf(site, seat.entry.kms)
  }

  /** From the disk, through the new KMS keys. The caller wipes it. */
  async #reopen(envelope: Hash, slots: 'enough' | 'all'): Promise<Secret> {
    const { key, record } = this.#epoch
    const { shards } = this.#ceremony.site
    const share = await shards.reopen(key, record.outcome, envelope, await this.#newKeys(), slots)
    try {
      refuseFalseShare(this.#ceremony, this.#protocols, this.#definition.of.verifyingShares, share)
      return share
    } catch (error) {
      share.wipe()
      throw error
    }
  }

  async #cosign(said: Held<Rewrapped>): Promise<void> {
    const { store, log, seat, authority } = this.#ceremony
    const known = this.#ceremony.events('rewrapped').some(({ object }) => object === hashOf(said.envelope))
    if (!known) this.#ceremony.note('rewrapped', said.envelope, said.site)
    this.#duties.mayBind()
    if (store.witnessed.has(seat.name)) return
    await log.barrier()
    const { envelope } = said.signed.value
    await this.#ceremony.publish('witnessed', {
      ceremony: authority.hash,
      site: seat.name,
      rewrapped: recordHash(said.signed),
      envelope,
    })
  }

  async commit(): Promise<void> {
    const ceremony = this.#ceremony
    const { store, authority } = ceremony
    const { site } = this.#definition
    const said = this.#said
    if (said === undefined) throw new TypeError('nothing was sealed anew')
    if (this.#isOwn && store.replaced.has(site)) await this.#replace(said)
    if (this.#isOwn && !store.replaced.has(site)) await this.#goOver(said)
    // Those who come later still belong into the bundle.
    const others = authority.candidates.filter(({ name }) => name !== site)
    if (this.#isOwn) await awaitEach(ceremony, 'witnessed', others, () => this.#cosigned(said))
    const own = authority.candidates.filter(({ name }) => name === site)
    const replaced = await awaitEach(ceremony, 'replaced', own, () => [...store.replaced.keys()])
    if (!replaced) throw notFinished('replaced', [site])
  }

  #cosigned({ signed }: Held<Rewrapped>): readonly SiteId[] {
    const { witnessed } = this.#ceremony.store
    const rewrapped = recordHash(signed)
    return this.#definition.witnesses.filter((name) => witnessed.get(name)?.signed.value.rewrapped === rewrapped)
  }

  /** Throws E_NOT_FINISHED at the close deadline where fewer cosigned than sign together with this site. */
  async #enoughCosigned(said: Held<Rewrapped>): Promise<void> {
    const { store, authority, options } = this.#ceremony
    const { witnesses, threshold } = this.#definition
    const enough = (): true | undefined => {
      const here = this.#cosigned(said)
      const waiting = witnesses.filter((name) => !here.includes(name))
      options.progress({ phase: 'step', step: 'witnessed', got: here.length, total: witnesses.length, waiting })
      return here.length >= threshold - 1 ? true : undefined
    }
    const found = await store.until(enough, authority.terms.deadlines.close * 1000, options.signal)
    const here = this.#cosigned(said)
    const missing = witnesses.filter((name) => !here.includes(name))
    if (found === undefined) throw notFinished('witnessed', missing)
  }

  /**
   * With enough others, at once. The last look at both: what is destroyed next opens the share, and so does what stays. Then
   * the promise, then the deed.
   */
  async #goOver(said: Held<Rewrapped>): Promise<void> {
    const { site, seat, authority } = this.#ceremony
    await this.#enoughCosigned(said)
    const { envelope } = said.signed.value
    await refuseUnusable(site, this.#epoch)
    const share = await this.#reopen(envelope, 'enough')
    share.wipe()
    this.#duties.mayBind()
    await this.#ceremony.publish('replaced', { ceremony: authority.hash, site: seat.name, envelope })
    await this.#replace(said)
  }

  #replace({ signed }: Held<Rewrapped>): Promise<void> {
    const { site, authority } = this.#ceremony
    const { key, record } = this.#epoch
    return site.shards.replaceEnvelope(key, record.outcome, authority.hash, signed.value.envelope)
  }

  outputs(): ReadonlyMap<string, Uint8Array> {
    return new Map()
  }

  faults(): readonly FoundFault[] {
    const said = this.#said
    if (said === undefined || this.#holds(said)) return []
    const { site, signed, envelope } = said
    return [{ fault: { site, check: 'rewrap-proof', records: [{ key: signed.key, envelope }] }, rest: [] }]
  }
}

/** The epoch, held against the definition; of a site that is bound, as its log has it: it finishes whatever came since. */
const epochFor = async (site: Site, definition: RewrapDefinition, isBound: boolean): Promise<Epoch> => {
  const { key, base } = definition
  const logged = isBound ? epochInLog(await site.ceremonyLog(ceremonyId(definition)), key, base) : undefined
  if (logged !== undefined) return logged
  const epoch = await newestEpoch(site, key)
  const known = await keyBaseOf(site, epoch)
  refuseErrors(lintGiven(definition, known))
  if (rewrappedEntry(definition)?.identity === site.home.identity) {
    await refuseOtherSeal(site, definition, known, epoch)
    await refuseOtherRewrap(site, definition)
  }
  return epoch
}

export const prepareRewrap: CeremonyKind<RewrapDefinition>['prepare'] = async (site, definition) => {
  const { name } = definition.sites.find(({ identity }) => identity === site.home.identity) ?? {}
  const said = [...(await site.ceremonyLog(ceremonyId(definition))).replay()].filter((event) => event.site === name)
  const isBound = said.some(({ what }) => what === 'replaced' || what === 'witnessed')
  const epoch = await epochFor(site, definition, isBound)
  // A witness opens no share, and a site that said its new envelope opens its own by that one alone: the old key may be gone.
  const opens = name === definition.site && !isBound && !said.some(({ what }) => what === 'rewrapped')
  return {
    base: epoch.hash,
    epoch: opens ? { ...epoch, sealedUnder: definition.old.kms } : undefined,
    message: undefined,
    noteIn: (ceremony) => noteEpoch(ceremony, epoch),
    begin: (ceremony, protocols, duties) =>
      new RewrapRun(
        ceremony,
        protocols,
        opens ? { ...epoch, sealedUnder: definition.old.kms } : epoch,
        definition,
        duties,
      ),
  }
}
