import type { Checkpoint } from '../../audit/log.ts'
import { returnedHead } from '../../audit/readmission.ts'
import type { SiteId } from '../../lib/brand.ts'
import { toBase64, utf8 } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { receiversIn } from '../../records/definition.ts'
import { type ReadmitDefinition, returningIdentity } from '../../records/kinds/readmit.ts'
import { peerChainCodec, type Readmitted } from '../../records/readmission.ts'
import { recordHash } from '../../records/signed.ts'
import { definitionAt } from '../definition/definition-at.ts'
import { refuseErrors } from '../definition/finding.ts'
import { keyBaseOf } from '../definition/key-base.ts'
import { lintReadmitted } from '../definition/lint-key.ts'
import { awaitEach } from '../epoch/await-each.ts'
import { bindAgain } from '../epoch/bound-again.ts'
import { heldEpoch, noteEpoch } from '../epoch/epoch.ts'
import { promisesOf } from '../epoch/promises.ts'
import { refuseOlderReadmission, refuseTwoHomes } from '../epoch/readmissions.ts'
import { openHead } from '../peers/ledger-heads.ts'
import type { Site } from '../ports.ts'
import type { Session } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'
import type { CeremonyKind, Duties, FoundFault, KindRun } from './kind.ts'

const notFinished = (message: string, waiting: readonly SiteId[]): QuorateError =>
  new QuorateError(
    'E_NOT_FINISHED',
    message,
    `${waiting.join(' and ')} and then the others run join again; whoever cannot, is left out of a new definition`,
    { waiting },
  )

/**
 * The others take the site back, each by its word and with what it can prove that the site promised. The site writes all of
 * it into its ledger and says so. Only then its new head counts: whoever has that word and a threshold of theirs takes it.
 */
class ReadmitRun implements KindRun {
  readonly #ceremony: Ceremony
  readonly #definition: ReadmitDefinition
  readonly #duties: Duties

  constructor(ceremony: Ceremony, definition: ReadmitDefinition, duties: Duties) {
    this.#ceremony = ceremony
    this.#definition = definition
    this.#duties = duties
  }

  get #self(): SiteId {
    return this.#ceremony.seat.name
  }

  get #returns(): boolean {
    return this.#self === this.#definition.returning
  }

  get #helps(): boolean {
    return this.#definition.helpers.includes(this.#self)
  }

  get #hasSaid(): boolean {
    const { store } = this.#ceremony
    return this.#helps ? store.readmitted.has(this.#self) : store.rebound.has(this.#self)
  }

  /** An attempt in which another site said its word, and this one has a seat: it was stopped there, and goes on in that one. */
  #begun(): HeldAttempt | undefined {
    const { store } = this.#ceremony
    const [first] = [...store.readmitted.values()]
    return first && store.started(first.signed.value.attempt)
  }

  /** The head that the site showed, where it and as many as sign together say so. */
  #returned(): Checkpoint | undefined {
    const { store } = this.#ceremony
    const { returning, threshold } = this.#definition
    const rebound = store.rebound.get(returning)?.signed.value
    const took = [...store.readmitted.values()].filter(({ signed }) => rebound?.took.includes(recordHash(signed)))
    if (rebound === undefined || took.length < threshold) return undefined
    return returnedHead(this.#definition, rebound, store.keys(returning, 'log'))
  }

  isSettled(): boolean {
    if (!this.#helps && !this.#returns) return this.#returned() !== undefined
    return this.#hasSaid || this.#begun() !== undefined
  }

  async settle(): Promise<boolean> {
    const begun = this.#helps && !this.#hasSaid ? this.#begun() : undefined
    if (begun !== undefined) await this.#takeBack(begun)
    return this.isSettled()
  }

  async attempt(_session: Session, attempt: HeldAttempt): Promise<void> {
    if (this.#helps) await this.#takeBack(attempt)
  }

  async #takeBack({ hash: attempt }: HeldAttempt): Promise<void> {
    const { site, authority, seat } = this.#ceremony
    const identity = returningIdentity(this.#definition)
    if (identity === undefined) throw new Error('a definition that lint let pass without the site that returns')
    if (!site.peerHeads.goesOn(identity, authority.hash)) await refuseTwoHomes(site, this.#definition, authority.hash)
    const promises = await promisesOf(site, identity, authority.hash)
    const remembered = site.peerHeads.of(identity)
    // Under a log key that this ceremony shows: of another one no stranger could tell whose it is.
    const keys = this.#ceremony.store.keys(this.#definition.returning, 'log')
    const shown = remembered !== undefined && openHead(utf8(remembered.note), identity, keys) !== undefined
    this.#duties.mayBind()
    await this.#ceremony.publish('readmitted', {
      ceremony: authority.hash,
      attempt,
      site: seat.name,
      remembered: shown ? toBase64(utf8(remembered.note)) : null,
      promises: [...promises],
    })
  }

  async commit(): Promise<void> {
    if (this.#returns) await this.#return()
    else await this.#awaitReturn()
  }

  /** Binds this site by all words that are here; one that comes later binds it at its next join. */
  async #return(): Promise<void> {
    const ceremony = this.#ceremony
    const { store, authority, seat, site } = ceremony
    const { helpers, threshold, ledger } = this.#definition
    const here = (): readonly SiteId[] => helpers.filter((name) => store.readmitted.has(name))
    const asked = authority.candidates.filter(({ name }) => name !== seat.name)
    await awaitEach(ceremony, 'readmitted', asked, here)
    const missing = helpers.filter((name) => !here().includes(name))
    if (here().length < threshold)
      throw notFinished(
        `${here().length} of ${threshold} have taken this site back; waiting: ${missing.join(', ')}`,
        missing,
      )
    const words = [...store.readmitted.values()].map(({ signed }) => signed)
    await bindAgain(
      ceremony,
      words.map(({ value }): Readmitted => value),
    )
    const [first] = words
    if (store.rebound.has(seat.name) || first === undefined) return
    this.#duties.mayBind()
    const head = await site.ledger.barrier()
    await ceremony.publish('rebound', {
      ceremony: authority.hash,
      attempt: first.value.attempt,
      site: seat.name,
      head: toBase64(utf8(head.note)),
      proof: [...site.ledger.consistency(ledger.size, head.size)],
      took: words.map(recordHash).sort(),
    })
  }

  async #awaitReturn(): Promise<void> {
    const ceremony = this.#ceremony
    const { store, authority } = ceremony
    const { returning, helpers } = this.#definition
    const asked = authority.candidates.filter(({ name }) => name !== returning)
    const isBack = (): boolean => this.#returned() !== undefined
    // The site that returns waits as long for them, and says its word after that.
    await awaitEach(ceremony, 'readmitted', asked, () =>
      isBack() ? helpers : helpers.filter((name) => store.readmitted.has(name)),
    )
    const back = authority.candidates.filter(({ name }) => name === returning)
    await awaitEach(ceremony, 'rebound', back, () => (isBack() ? [returning] : []))
    const head = this.#returned()
    if (head === undefined)
      throw notFinished(
        `${returning} has not said yet that it is bound again; ${store.readmitted.size} have taken it back`,
        [returning],
      )
    if (!this.#isBoundByMine())
      throw new QuorateError(
        'E_NOT_FINISHED',
        `${returning} was bound again before this site showed what it knows, and may lack a promise`,
        `this site goes on refusing it: ${returning}’s operator plans its readmission anew (quorate recover readmit), with this site`,
        { waiting: [returning] },
      )
    await this.#remember(head)
  }

  /** True where everything that this site showed was shown by those, too, whose words the site that returns took in. */
  #isBoundByMine(): boolean {
    const { store } = this.#ceremony
    const took = store.rebound.get(this.#definition.returning)?.signed.value.took ?? []
    const shown = new Set<string>()
    for (const { signed } of store.readmitted.values())
      if (took.includes(recordHash(signed))) for (const one of envelopesIn(signed.value)) shown.add(one)
    const mine = store.readmitted.get(this.#self)?.signed.value
    return mine === undefined || envelopesIn(mine).every((one) => shown.has(one))
  }

  /** From here on this home knows another chain of the site's heads. */
  async #remember(head: Checkpoint): Promise<void> {
    const { site, authority } = this.#ceremony
    const { returning, key } = this.#definition
    const identity = returningIdentity(this.#definition)
    if (identity === undefined || site.peerHeads.hasReadmitted(identity, authority.hash)) return
    await refuseOlderReadmission(site, this.#definition, authority.hash)
    const known = site.peerHeads.owedBy(identity)
    const goesOn = site.peerHeads.goesOn(identity, authority.hash)
    const before = goesOn || known.owed.length > 0 ? known.before : site.peerHeads.of(identity)
    const others = goesOn ? [] : await keysSharedWith(site, identity)
    const chain = {
      identity,
      key,
      head: toBase64(utf8(head.note)),
      before: before === undefined ? null : toBase64(utf8(before.note)),
      owed: [...new Set([...known.owed, ...others])].filter((one) => one !== key).sort(),
    }
    this.#ceremony.noteLedger('peer-readmitted', null, peerChainCodec.encode(chain), returning)
    // At once, so that no other ceremony notes a head of the old chain after it; each of its uses comes after a barrier.
    site.peerHeads.readmit(authority.hash, chain)
    await site.ledger.barrier()
  }

  outputs(): ReadonlyMap<string, Uint8Array> {
    return new Map()
  }

  faults(): readonly FoundFault[] {
    return []
  }
}

const envelopesIn = ({ promises }: Readmitted): readonly string[] =>
  promises.flatMap(({ records }) => records.map(({ envelope }) => envelope))

/** Keys of which this home and another site hold shares. */
const keysSharedWith = async (site: Site, identity: string) => {
  const epochs = (await site.shards.list()).filter(({ state }) => state === 'installed')
  const shared = await Promise.all(
    epochs.map(async ({ key, made }) => {
      const definition = await definitionAt(site, made.ceremony)
      return definition !== undefined && receiversIn(definition).some((one) => one.identity === identity) ? [key] : []
    }),
  )
  return shared.flat()
}

/** Throws E_SITE_ROLLED_BACK where this home is not the one whose head all approve, and E_DEFINITION where its share is of another epoch. */
export const prepareReadmit: CeremonyKind<ReadmitDefinition>['prepare'] = async (site, definition) => {
  const epoch = await heldEpoch(site, definition.key)
  refuseErrors(lintReadmitted(definition, await keyBaseOf(site, epoch)))
  const { size, root } = definition.ledger
  if (
    returningIdentity(definition) === site.home.identity &&
    (site.ledger.size < size || site.ledger.root(size) !== root)
  )
    throw new QuorateError(
      'E_SITE_ROLLED_BACK',
      `the ledger of this home does not go on from the head that the definition names, of ${size} events`,
      'this is another copy of the home, or it was set back again: plan its readmission from the home that is to stay',
      { site: definition.returning },
    )
  return {
    base: epoch.hash,
    epoch,
    message: undefined,
    noteIn: (ceremony) => noteEpoch(ceremony, epoch),
    begin: (ceremony, _protocols, duties) => new ReadmitRun(ceremony, definition, duties),
  }
}
