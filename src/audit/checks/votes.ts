import type { Hash, SiteId } from '../../lib/brand.ts'
import { votesOnBase } from '../../records/admission.ts'
import { fencedIn, recordKind, sharesIn } from '../../records/definition.ts'
import { type ProofName, type ProofOf, proofHolds } from '../../records/proofs.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import type { MadeKey } from '../ceremony-result.ts'
import { accuses, type Check, type Finding, fails, failsUnlessMissing, holds, names, open } from '../check.ts'
import { fenceOf } from '../fence-shown.ts'
import { resultOf } from '../kinds/index.ts'
import type { Held } from '../record-facts.ts'
import { answersFor, eventsOf, faulty } from './faults.ts'

const key = (facts: BundleFacts): MadeKey | undefined => {
  const made = resultOf(facts)
  return made?.makes === 'key' ? made : undefined
}

const makesKey = ({ definition }: BundleFacts): boolean => recordKind(definition).makes === 'key'

const epochOf = ({ definition }: BundleFacts): number | null => recordKind(definition).epoch(definition)

const objects = (list: readonly { readonly object: Hash }[]): readonly Hash[] => list.map(({ object }) => object)

const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

const ready = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const votes = facts.ready.filter(({ value }) => value.record === made.recordHash)
  const absent = facts.receivers.filter(({ name }) => !made.voters.includes(name)).map(({ name }) => name)
  const total = facts.receivers.length
  if (absent.length > 0)
    return open(`${made.voters.length} of ${total} ready, waiting: ${names(absent)}`, objects(votes))
  const since = Math.max(
    ...[...facts.logs.values()].flatMap((log) => log.entries.filter((e) => e.what === 'ready').map(({ at }) => at)),
  )
  return holds(`${total} of ${total} ready; epoch ${epochOf(facts)} usable since ${iso(since)}`, objects(votes))
}

const single = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const counted = [...facts.logs.values()].filter((log) =>
    log.entries.some(({ what, object }) => what === 'ready-set' && object !== made.recordHash),
  )
  const twice = facts.receivers.filter(
    ({ name }) => new Set(facts.ready.filter(({ site }) => site === name).map(({ value }) => value.record)).size > 1,
  )
  const by = [...counted.map(({ site }) => site), ...twice.map(({ name }) => name)]
  return by.length === 0
    ? holds('no site voted for two records', objects(facts.ready))
    : accuses(facts, by, `${names(by)} voted for two records, or counted votes for another`, objects(facts.ready))
}

const based = (facts: BundleFacts): Finding | undefined => {
  if (key(facts) === undefined) return undefined
  const other = facts.ready.filter(({ value }) => !votesOnBase(value, facts.definition)).map(({ site }) => site)
  return other.length === 0
    ? holds(
        facts.definition.base === null
          ? 'every vote is for the first epoch of a key'
          : 'every vote builds on the record that the definition names',
        objects(facts.ready),
      )
    : accuses(
        facts,
        other,
        `the vote of ${names(other)} builds on another record than the definition`,
        objects(facts.ready),
      )
}

const recorded = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const { record, recordHash, outcomeHash, outcome } = made
  const twice: SiteId[] = []
  for (const { name, index } of facts.receivers) {
    const own = facts.staged.filter(({ site, value }) => site === name && value.attempt === outcome.attempt)
    const [first] = own
    if (first === undefined)
      return failsUnlessMissing(
        facts,
        ['staged', 'attempt-signature'],
        `no word of ${name} that its shard was durable`,
        [recordHash],
      )
    const named = own.some(
      ({ value }) => value.outcome === outcomeHash && value.envelope === record.envelopes[index - 1],
    )
    if (!named) return fails(`the record does not name the shard that ${name} staged`, [recordHash, first.object])
    if (new Set(own.map(({ hash }) => hash)).size > 1) twice.push(name)
  }
  if (record.envelopes.length !== facts.receivers.length)
    return fails('the record does not name one shard a site', [recordHash])
  return twice.length === 0
    ? holds('the record names this outcome and the shard that each site staged', [recordHash, outcomeHash])
    : accuses(facts, twice, `${names(twice)} staged two shards; the record names one of them`, [recordHash])
}

const receiptsOf = (facts: BundleFacts, { recordHash }: MadeKey) =>
  facts.installed.filter(({ value }) => value.record === recordHash)

const receiptsNeeded = ({ receivers, definition }: BundleFacts): number =>
  Math.min(receivers.length, 2 * definition.threshold - 1)

const installed = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const receipts = receiptsOf(facts, made)
  const sites = new Set(receipts.map(({ site }) => site))
  const { length: total } = facts.receivers
  const needed = receiptsNeeded(facts)
  return sites.size >= needed
    ? holds(`${sites.size} of ${total} installed it`, objects(receipts))
    : open(`${sites.size} of ${total} installed it, ${needed} are needed`, objects(receipts))
}

/** Sites whose own log has their word that the old share is destroyed before the receipts that this waits for. */
const tooEarly = (facts: BundleFacts, made: MadeKey): readonly SiteId[] => {
  const receipts = new Map(receiptsOf(facts, made).map(({ object, site }) => [object, site]))
  return [...facts.logs.values()].flatMap(({ site, entries }) => {
    const own = facts.retired.filter((word) => word.site === site).map(({ object }) => object)
    const at = entries.findIndex(({ what, object }) => what === 'retired' && object !== null && own.includes(object))
    const seen = entries
      .slice(0, Math.max(0, at))
      .map(({ object }) => (object === null ? undefined : receipts.get(object)))
    return at < 0 || new Set(seen.filter((one) => one !== undefined)).size >= receiptsNeeded(facts) ? [] : [site]
  })
}

/** Fewer sites than a quorum are left with an old share once n−t+1 have destroyed theirs. By their own word: no bundle proves it. */
const retired = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  const { definition } = facts
  const { replaces, keepsShares } = recordKind(definition)
  const before = replaces(definition)
  if (made === undefined || before === null) return undefined
  const words = facts.retired.filter(({ value }) => value.record === made.recordHash)
  // A site that was lost held a share of it, too, and says nothing.
  const { length: total } = before.sites
  const left = before.sites.filter((name) => !words.some(({ site }) => site === name))
  const number = epochOf(facts)
  const old = number === null ? 'the old epoch' : `epoch ${number - 1}`
  const early = tooEarly(facts, made)
  if (early.length > 0)
    return accuses(
      facts,
      early,
      `${names(early)} destroyed a share of ${old} before ${receiptsNeeded(facts)} sites had installed the new ones`,
      objects(words),
    )
  return left.length < before.threshold
    ? holds(
        `${total - left.length} of ${total} say that their share of ${old} is destroyed; ${keepsShares === true ? 'the lost one still counts with the new ones' : 'those who do not are no quorum'}`,
        objects(words),
      )
    : open(`shares of ${old} that were not said to be destroyed: ${names(left)}`, objects(words))
}

/**
 * The old key of an emergency is out of use once fewer holders are left than sign together: by the word of the others, each
 * for itself. An honest site votes only after its own word and that of every holder that takes part.
 */
const fenced = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  const shown = fenceOf(facts)
  if (made === undefined || shown === undefined) return undefined
  const { threshold, holders, left, fenced: by, outOfUse } = shown
  const words = objects(facts.held('fenced'))
  const unsaid = fencedIn(facts.definition)
    .map(({ name }) => name)
    .filter((name) => made.voters.includes(name) && !by.includes(name))
  if (unsaid.length > 0)
    return accuses(facts, unsaid, `${names(unsaid)} voted, and did not say that it suspended the old key`, words)
  const said = by.length === 0 ? 'nobody says' : `${by.length} of ${holders.length} say (${names(by)})`
  return outOfUse
    ? holds(`${said} that the old key is suspended there; fewer than ${threshold} are left that could use it`, words)
    : open(`${said} that the old key is suspended there; ${names(left)} can still sign with it`, words)
}

/**
 * A site may leave before its vote, and not after it. An abort beside its vote decides nothing: it
 * shows that this site, or a thief of its note key, contradicts itself.
 */
const kept = (facts: BundleFacts): Finding | undefined => {
  if (key(facts) === undefined) return undefined
  const voters = new Set(facts.ready.map(({ author }) => author.identity))
  const left = facts.aborts.filter(({ author }) => voters.has(author.identity))
  const sites = left.map(({ site }) => site)
  return left.length === 0
    ? holds('no site that voted left the ceremony', objects(facts.ready))
    : accuses(facts, sites, `${names(sites)} voted and left, or a thief of its note key says so`, objects(left))
}

const output = async (facts: BundleFacts): Promise<Finding | undefined> => {
  if (!makesKey(facts)) return undefined
  const made = key(facts)
  const shown = await facts.bundle.output('public-key.hex')
  if (shown === undefined)
    return made === undefined
      ? holds('no key was made, and none is shown')
      : open('the public key is not among the outputs')
  const text = made === undefined ? undefined : `${made.outcome.publicKey}\n`
  return Buffer.compare(shown, Buffer.from(text ?? '')) === 0
    ? holds('the public key shown is that of the outcome')
    : failsUnlessMissing(
        facts,
        ['record', 'outcome', 'ready', 'attempt'],
        'the public key shown is not that of the outcome',
      )
}

/** Proofs of the record that the logs name, and whether each holds. */
const proofsOf = <N extends ProofName>(facts: BundleFacts, made: MadeKey, name: N) =>
  (facts.held(name) as readonly Held<ProofOf<N>>[])
    .filter(({ value }) => value.record === made.recordHash)
    .map((held) => ({ held, holds: proofHolds(name, held.value, made.outcome, facts.evidence) }))

/** Where all voted, everything that the votes rest on must be here; a site that did not may never have had it. */
const lacking = (
  facts: BundleFacts,
  made: MadeKey,
  name: 'possession' | 'test-signature',
  reason: string,
  inputs: readonly Hash[],
): Finding =>
  made.voters.length === facts.receivers.length
    ? failsUnlessMissing(facts, [name], reason, inputs)
    : open(reason, inputs)

const possession = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const proofs = proofsOf(facts, made, 'possession').flatMap(({ held, holds }) => (holds ? [held] : []))
  const proven = new Set<SiteId>(proofs.map(({ site }) => site))
  const { length: total } = facts.receivers
  const absent = facts.receivers.filter(({ name }) => !proven.has(name)).map(({ name }) => name)
  if (absent.length === 0) return holds(`${total} of ${total} sites proved the share that they sealed`, objects(proofs))
  return lacking(facts, made, 'possession', `no proof of the share of ${names(absent)}`, objects(proofs))
}

const tested = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const { evidence, definition } = facts
  const proofs = proofsOf(facts, made, 'test-signature')
  const stated = proofs.map(({ held }) => held)
  const valid = proofs.flatMap(({ held, holds }) => (holds ? [held] : []))
  const sets = evidence.testSignerSets(sharesIn(definition), definition.threshold)
  const missing = sets.filter((set) => !valid.some(({ value }) => value.signers.join() === set.join()))
  if (missing.length > 0)
    return lacking(
      facts,
      made,
      'test-signature',
      `${missing.length} of ${sets.length} test signatures are not here`,
      objects(valid),
    )
  const untrue = proofs.flatMap(({ held, holds }) => (holds ? [] : [held.site]))
  return untrue.length === 0
    ? holds(`${sets.length} test signatures, every site in one, verify under the key`, objects(valid))
    : accuses(facts, untrue, `a test signature of ${names(untrue)} does not verify under the key`, objects(stated))
}

export const possessionChecks = [
  { id: 'possession.proven', needs: 'result', run: possession },
  { id: 'possession.tested', needs: 'result', run: tested },
  {
    id: 'possession.records',
    needs: 'proofs',
    run: (facts) => faulty(facts, eventsOf('possession.records'), 'every proof is its site’s own'),
  },
] as const satisfies readonly Check[]

export const voteChecks = [
  { id: 'votes.ready', needs: 'result', run: ready },
  { id: 'votes.single', needs: 'result', run: single },
  { id: 'votes.based', needs: 'result', run: based },
  { id: 'votes.recorded', needs: 'result', run: recorded },
  { id: 'votes.installed', needs: 'result', run: installed },
  { id: 'votes.retired', needs: 'result', run: retired },
  { id: 'votes.fenced', needs: 'result', run: fenced },
  { id: 'votes.kept', needs: 'result', run: kept },
  { id: 'votes.output', run: output },
  {
    id: 'votes.records',
    needs: 'votes',
    run: (facts) =>
      faulty(facts, answersFor(facts.definition, 'votes.records'), 'every vote and receipt is its site’s own'),
  },
] as const satisfies readonly Check[]
