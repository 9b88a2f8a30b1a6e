import type { Scheme } from '../../mpc/scheme.ts'
import { ceremonyId, fencedIn } from '../../records/definition.ts'
import type { EmergencyDefinition } from '../../records/kinds/emergency.ts'
import { refuseErrors } from '../definition/finding.ts'
import { keyBaseOf } from '../definition/key-base.ts'
import { lintHolders } from '../definition/lint-fence.ts'
import { heldEpoch } from '../epoch/epoch.ts'
import { boundByVote } from '../epoch/epoch-result.ts'
import { EpochRun } from '../epoch/epoch-run.ts'
import { everyFenced, fenceKey, refuseUnfenced } from '../epoch/fence.ts'
import { refuseOtherEmergency } from '../epoch/other-emergency.ts'
import type { Site } from '../ports.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import { freshKey } from './keygen-run.ts'
import type { CeremonyKind, Duties, KindRun } from './kind.ts'

/** A key generation before which this site suspends the old key, and in which it waits for the others' word that they did. */
class EmergencyRun implements KindRun {
  readonly #ceremony: Ceremony
  readonly #epoch: EpochRun

  constructor(ceremony: Ceremony, protocols: Scheme, duties: Duties) {
    this.#ceremony = ceremony
    const mayBind = (): void => {
      duties.mayBind()
      refuseUnfenced(ceremony)
    }
    this.#epoch = new EpochRun(ceremony, protocols, { ...duties, mayBind }, freshKey(ceremony, protocols))
  }

  isSettled(): boolean {
    return this.#epoch.isSettled()
  }

  async settle(): Promise<boolean> {
    await fenceKey(this.#ceremony)
    return this.#epoch.settle()
  }

  async attempt(session: Session, attempt: HeldAttempt): Promise<void> {
    await everyFenced(this.#ceremony, session)
    await this.#epoch.attempt(session, attempt)
  }

  commit(): Promise<void> {
    return this.#epoch.commit()
  }

  outputs(): ReturnType<KindRun['outputs']> {
    return this.#epoch.outputs()
  }

  faults(): ReturnType<KindRun['faults']> {
    return this.#epoch.faults()
  }
}

/**
 * Throws where this home knows otherwise of the key that is fenced. A newer epoch of the same sites is the same key; a
 * share that is damaged is in nobody's way.
 */
const refuseOtherHolders = async (site: Site, definition: EmergencyDefinition): Promise<void> => {
  const { key } = definition.fences
  const { damaged } = await site.shards.ofKey(key)
  if (damaged.length === 0) refuseErrors(lintHolders(definition, await keyBaseOf(site, await heldEpoch(site, key))))
}

export const prepareEmergency: CeremonyKind<EmergencyDefinition>['prepare'] = async (site, definition) => {
  const { identity } = site.home
  const own = definition.sites.find((one) => one.identity === identity)
  const log = await site.ceremonyLog(ceremonyId(definition))
  // A site that is bound finishes, whatever its home knows since.
  if (own !== undefined && boundByVote(log, own.name) === undefined) {
    await refuseOtherEmergency(site, definition)
    if (fencedIn(definition).includes(own)) await refuseOtherHolders(site, definition)
  }
  return {
    base: null,
    epoch: undefined,
    message: undefined,
    noteIn: () => undefined,
    begin: (ceremony, protocols, duties) => new EmergencyRun(ceremony, protocols, duties),
  }
}
