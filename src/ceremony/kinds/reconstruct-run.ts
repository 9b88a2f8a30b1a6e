import type { SiteId } from '../../lib/brand.ts'
import { toBase64 } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import { ceremonyId } from '../../records/definition.ts'
import type { Recipient, ReconstructDefinition } from '../../records/kinds/reconstruct.ts'
import { type ReleasedShare, releasedShareCodec } from '../../records/release.ts'
import { refuseErrors } from '../definition/finding.ts'
import { keyBaseOf } from '../definition/key-base.ts'
import { lintGiven } from '../definition/lint-key.ts'
import { awaitEach } from '../epoch/await-each.ts'
import { type Epoch, newestEpoch, noteEpoch, openShare, refuseUnusable } from '../epoch/epoch.ts'
import { refuseFalseShare } from '../epoch/false-share.ts'
import { refuseHandedOver } from '../epoch/handed-over.ts'
import type { Site } from '../ports.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { CeremonyKind, Duties, FoundFault, KindRun } from './kind.ts'

const sealed = async ({ sealTo }: Site, to: Recipient, given: Omit<ReleasedShare, 'recipient'>): Promise<string> => {
  const plain = releasedShareCodec.encode({ ...given, recipient: to.name })
  try {
    return toBase64(await sealTo(to, plain))
  } finally {
    plain.fill(0)
  }
}

const notFinished = (waiting: readonly string[], given: number, threshold: number): QuorateError =>
  new QuorateError(
    'E_NOT_FINISHED',
    `${given} of ${threshold} shares are given; waiting: ${waiting.join(', ')}`,
    `what this site gave stays given. ${waiting.join(' and ')} and then the others run join again; whoever cannot, is left out of a new definition`,
    { waiting },
  )

/** Each site gives its share by itself; with a threshold of them the ceremony has made what it was for. */
class ReconstructRun implements KindRun {
  readonly #ceremony: Ceremony
  readonly #protocols: Scheme
  readonly #epoch: Epoch
  readonly #definition: ReconstructDefinition
  readonly #duties: Duties

  constructor(ceremony: Ceremony, protocols: Scheme, epoch: Epoch, definition: ReconstructDefinition, duties: Duties) {
    this.#ceremony = ceremony
    this.#protocols = protocols
    this.#epoch = epoch
    this.#definition = definition
    this.#duties = duties
  }

  get #hasGiven(): boolean {
    return this.#ceremony.store.releases.has(this.#ceremony.seat.name)
  }

  /** An attempt in which another site gave, and this one has a seat: it was stopped there, and gives in that one. */
  #begun(): HeldAttempt | undefined {
    const { store } = this.#ceremony
    const [first] = [...store.releases.values()]
    return first && store.started(first.signed.value.attempt)
  }

  isSettled(): boolean {
    return this.#hasGiven || this.#begun() !== undefined
  }

  async settle(): Promise<boolean> {
    const begun = this.#hasGiven ? undefined : this.#begun()
    if (begun !== undefined) await this.#give(begun)
    return this.#hasGiven
  }

  async attempt(_session: Session, attempt: HeldAttempt): Promise<void> {
    await this.#give(attempt)
  }

  async #give({ hash: attempt }: HeldAttempt): Promise<void> {
    const ceremony = this.#ceremony
    const { authority, seat, site } = ceremony
    const { recipients } = this.#definition
    await refuseHandedOver(site, this.#epoch)
    const share = await openShare(ceremony, this.#epoch)
    const pieces: string[] = []
    try {
      refuseFalseShare(this.#ceremony, this.#protocols, this.#definition.of.verifyingShares, share)
      const { key, protocol, base } = this.#definition
      const about = { ceremony: authority.hash, attempt, key, base, protocol, site: seat.name, index: seat.index }
      for (const to of recipients) pieces.push(await sealed(site, to, { ...about, share: share.reveal() }))
    } finally {
      share.wipe()
    }
    await refuseUnusable(site, this.#epoch)
    this.#duties.mayBind()
    await ceremony.publish('release', {
      ceremony: authority.hash,
      attempt,
      site: seat.name,
      index: seat.index,
      sealed: pieces,
    })
  }

  /** A quorum is enough; for the others it waits no longer than for the end of a ceremony. */
  async commit(): Promise<void> {
    const ceremony = this.#ceremony
    const { threshold, givers } = this.#definition
    const given = (): readonly SiteId[] => givers.filter((name) => ceremony.store.releases.has(name))
    await awaitEach(ceremony, 'given', ceremony.authority.candidates, given)
    const here = given()
    if (here.length < threshold)
      throw notFinished(
        givers.filter((name) => !here.includes(name)),
        here.length,
        threshold,
      )
  }

  outputs(): ReadonlyMap<string, Uint8Array> {
    return new Map()
  }

  faults(): readonly FoundFault[] {
    return []
  }
}

export const prepareReconstruct: CeremonyKind<ReconstructDefinition>['prepare'] = async (site, definition) => {
  const epoch = await newestEpoch(site, definition.key)
  refuseErrors(lintGiven(definition, await keyBaseOf(site, epoch)))
  // Once its share is given there is nothing more to refuse: it completes the bundle.
  const { name } = definition.sites.find(({ identity }) => identity === site.home.identity) ?? {}
  const log = await site.ceremonyLog(ceremonyId(definition))
  if (![...log.replay()].some((event) => event.what === 'released' && event.site === name))
    await refuseHandedOver(site, epoch)
  return {
    base: epoch.hash,
    epoch,
    message: undefined,
    noteIn: (ceremony) => noteEpoch(ceremony, epoch),
    begin: (ceremony, protocols, duties) => new ReconstructRun(ceremony, protocols, epoch, definition, duties),
  }
}
