import type { Hash, SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { superseded, supersededIn } from '../../shards/rival.ts'
import { definitionAt } from '../definition/definition-at.ts'
import type { Duties } from '../kinds/kind.ts'
import type { Site } from '../ports.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { awaitEach } from './await-each.ts'
import { keyOf } from './epoch-outcome.ts'
import { dropStaged } from './stage.ts'
import type { StagedRecord } from './staged-record.ts'

/**
 * From this site's vote to the receipts of the others. The ready set alone decides: a vote of every site for the record.
 * An abort decides nothing here, on whichever way and in whichever order it came: its sender may have voted, too. While a
 * vote is missing this site is undecided. Throws E_NOT_FINISHED at the close deadline; every join asks again.
 */
export const installEpoch = async (
  ceremony: Ceremony,
  voted: StagedRecord,
  { postNote }: Pick<Duties, 'postNote'>,
): Promise<void> => {
  const { store, seat, site, log, authority } = ceremony
  const returned = store.installed.has(seat.name)
  // Its vote is durable, and its only one: shards of other attempts are of no use any more.
  await dropStaged(site.shards, log, authority.definition, voted.record.outcome)
  const { whole } = await site.shards.ofKey(keyOf(authority.definition, voted.record.outcome))
  if (!returned && (supersededIn(whole).has(voted.hash) || (await handedOn(site, voted.hash)))) {
    // It waits for nothing more, and others may still lack its vote.
    await postNote()
    throw superseded()
  }
  await awaitReadySet(ceremony, voted.hash, postNote)
  await install(ceremony, voted)
  await awaitReceipts(ceremony, voted.hash, returned)
}

/** True where this site said that its share is destroyed, for a record that takes this one's place and of which it holds none. */
const handedOn = async (site: Site, record: Hash): Promise<boolean> => {
  for (const { what, ceremony } of site.ledger.replay()) {
    const definition = what === 'retired' && ceremony !== null ? await definitionAt(site, ceremony) : undefined
    if (definition !== undefined && 'supersedes' in definition && definition.supersedes.includes(record)) return true
  }
  return false
}

/** Throws E_NOT_FINISHED at the close deadline where a receiver's vote for the record is missing. */
export const awaitReadySet = async (ceremony: Ceremony, record: Hash, postNote: Duties['postNote']): Promise<void> => {
  const { store, authority } = ceremony
  const voters = () => authority.receivers.map(({ name }) => name).filter((name) => store.votes(record).has(name))
  const all = await awaitEach(ceremony, 'ready', authority.receivers, voters)
  // Its note holds every vote that came, before this site waits for anything else: the voters may never be met again.
  await postNote()
  if (!all) throw undecided(ceremony, voters())
}

const install = async (ceremony: Ceremony, voted: StagedRecord): Promise<void> => {
  const { store, authority, site, seat } = ceremony
  if (store.installed.has(seat.name)) return
  const { outcome } = voted.record
  const key = keyOf(authority.definition, outcome)
  const votes = store.votes(voted.hash)
  // A crash may have come between the votes and the receipt: the ready set that was kept is as good as one signed anew.
  if (['staged', undefined].includes((await site.shards.read(key, outcome))?.state))
    await site.shards.install(
      key,
      outcome,
      authority.receivers.map((member) => votes.get(member.name)?.envelope as Uint8Array),
    )
  ceremony.note('ready-set', undefined, null, voted.hash)
  await ceremony.publish('installed', { ceremony: authority.hash, site: seat.name, record: voted.hash })
}

/**
 * Receipts are for what comes after: no old share dies without them. A key that builds on nothing has no old share, so a
 * site that comes back (`returned`) closes without the receipts of those who never do; the bundle shows them as open.
 */
export const awaitReceipts = async (ceremony: Ceremony, record: Hash, returned: boolean): Promise<void> => {
  const { store, authority } = ceremony
  const { threshold } = authority
  const receipts = () =>
    authority.receivers
      .map(({ name }) => name)
      .filter((name) => store.installed.get(name)?.signed.value.record === record)
  await awaitEach(ceremony, 'installed', authority.receivers, receipts)
  const needed = Math.min(authority.receivers.length, 2 * threshold - 1)
  if (receipts().length < needed && !(returned && authority.definition.base === null))
    throw notFinished(
      ceremony,
      'installed',
      receipts(),
      'ask their operators: they run join again, then run it here again too, or they use a newer record and this one is over',
    )
}

const undecided = (ceremony: Ceremony, voters: readonly SiteId[]): QuorateError => {
  const { store, authority } = ceremony
  const left = authority.receivers
    .filter(({ name, identity }) => store.aborts.has(identity) && !voters.includes(name))
    .map(({ name }) => name)
  const otherwise =
    authority.definition.base === null
      ? ', or plan a new definition when all agree'
      : `, or plan here what supersedes it (quorate ${authority.topic} plan); until then the key signs with the old shares`
  const hint =
    left.length === 0
      ? 'their operators run join again; then run it here again too'
      : `${left.join(', ')} left, and no vote of ${left.join(', ')} is known here: look at status there. Run join here again when there is news${otherwise}`
  return notFinished(ceremony, 'ready', voters, hint)
}

const notFinished = (
  { authority }: Ceremony,
  step: 'ready' | 'installed',
  got: readonly SiteId[],
  hint: string,
): QuorateError => {
  const all = authority.receivers.map(({ name }) => name)
  const waiting = all.filter((name) => !got.includes(name))
  return new QuorateError(
    'E_NOT_FINISHED',
    `${step} ${got.length} of ${all.length}, waiting: ${waiting.join(', ')}`,
    `${hint}. This site’s part is safe on its disk`,
    { step, got, waiting },
  )
}
