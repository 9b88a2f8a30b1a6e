import type { Hash, SiteId } from '../../lib/brand.ts'
import { fromHex } from '../../lib/bytes.ts'
import { recordKind } from '../../records/definition.ts'
import type { BundleFacts, Held } from '../bundle-facts.ts'
import type { MadeKey } from '../ceremony-result.ts'
import { type Check, type Finding, fails, holds, names, open } from '../check.ts'
import { resultOf } from '../kinds/index.ts'
import { faulty } from './faults.ts'

const key = (facts: BundleFacts): MadeKey | undefined => {
  const made = resultOf(facts)
  return made?.makes === 'key' ? made : undefined
}

const makesKey = ({ definition }: BundleFacts): boolean => recordKind(definition).makes === 'key'

const objects = (list: readonly { readonly object: Hash }[]): readonly Hash[] => list.map(({ object }) => object)

const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

const ready = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const votes = facts.ready.filter(({ value }) => value.record === made.recordHash)
  const absent = facts.roster.filter(({ name }) => !made.voters.includes(name)).map(({ name }) => name)
  const total = facts.roster.length
  if (absent.length > 0)
    return open(`${made.voters.length} of ${total} ready, waiting: ${names(absent)}`, objects(votes))
  const since = Math.max(
    ...[...facts.logs.values()].flatMap((log) => log.entries.filter((e) => e.what === 'ready').map(({ at }) => at)),
  )
  return holds(`${total} of ${total} ready; epoch 1 usable since ${iso(since)}`, objects(votes))
}

const single = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const counted = [...facts.logs.values()].filter((log) =>
    log.entries.some(({ what, object }) => what === 'ready-set' && object !== made.recordHash),
  )
  if (counted.length > 0) return fails(`another ready set in the log of ${names(counted.map(({ site }) => site))}`)
  const twice = facts.roster.filter(
    ({ name }) => new Set(facts.ready.filter(({ site }) => site === name).map(({ value }) => value.record)).size > 1,
  )
  return twice.length === 0
    ? holds('no site voted for two records', objects(facts.ready))
    : fails(`voted for two records: ${names(twice.map(({ name }) => name))}`, objects(facts.ready))
}

const based = (facts: BundleFacts): Finding | undefined => {
  if (key(facts) === undefined) return undefined
  return facts.ready.every(({ value }) => value.base === null)
    ? holds('every vote is for the first epoch of a key', objects(facts.ready))
    : fails('a vote builds on another record than the definition', objects(facts.ready))
}

const recorded = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const { record, recordHash, outcomeHash, outcome } = made
  for (const { name, index } of facts.roster) {
    const own = facts.staged.filter(({ site, value }) => site === name && value.attempt === outcome.attempt)
    const [first] = own
    if (first === undefined) return fails(`no word of ${name} that its shard was durable`, [recordHash])
    if (new Set(own.map(({ hash }) => hash)).size > 1) return fails(`${name} staged two shards`, objects(own))
    const { value } = first
    const same =
      value.index === index && value.outcome === outcomeHash && value.envelope === record.envelopes[index - 1]
    if (!same) return fails(`the record does not name the shard that ${name} staged`, [recordHash, first.object])
  }
  return record.envelopes.length === facts.roster.length
    ? holds('the record names this outcome and the shard that each site staged', [recordHash, outcomeHash])
    : fails('the record does not name one shard a site', [recordHash])
}

const installed = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const receipts = facts.installed.filter(({ value }) => value.record === made.recordHash)
  if (facts.installed.length !== receipts.length) return fails('a receipt for another record', objects(facts.installed))
  const sites = new Set(receipts.map(({ site }) => site))
  const { length: total } = facts.roster
  const needed = Math.min(total, 2 * facts.definition.threshold - 1)
  return sites.size >= needed
    ? holds(`${sites.size} of ${total} installed it`, objects(receipts))
    : open(`${sites.size} of ${total} installed it, ${needed} are needed`, objects(receipts))
}

/** What a site did not vote for it may leave; what it voted for it may not. */
const kept = (facts: BundleFacts): Finding | undefined => {
  if (key(facts) === undefined) return undefined
  const left = facts.aborts.filter(({ value }) =>
    facts.ready.some(({ site }) => facts.seat(site)?.identity === value.identity),
  )
  return left.length === 0
    ? holds('no site that voted left the ceremony', objects(facts.ready))
    : fails(`${left.length} sites voted and left`, objects(left))
}

const output = async (facts: BundleFacts): Promise<Finding | undefined> => {
  if (!makesKey(facts)) return undefined
  const made = key(facts)
  const shown = await facts.bundle.output('public-key.hex')
  const others = facts.bundle.outputs.filter((name) => name !== 'public-key.hex')
  if (others.length > 0) return fails('an output that a keygen does not have')
  if (shown === undefined)
    return made === undefined
      ? holds('no key was made, and none is shown')
      : open('the public key is not among the outputs')
  const text = made === undefined ? undefined : `${made.outcome.publicKey}\n`
  return Buffer.compare(shown, Buffer.from(text ?? '')) === 0
    ? holds('the public key shown is that of the outcome')
    : fails('the public key shown is not that of the outcome')
}

const proofsBy = (facts: BundleFacts, made: MadeKey): readonly Held<{ proof: string }>[] =>
  facts.possessions.filter(({ site, value }) => {
    const index = facts.seat(site)?.index
    const share = index && made.outcome.verifyingShares[index - 1]
    if (index === undefined || share === undefined || value.index !== index || value.record !== made.recordHash)
      return false
    return facts.evidence.verifyPossession(fromHex(share), index, made.recordHash, fromHex(value.proof))
  })

/** What the votes rest on must be here where all voted; a site that did not may never have had it. */
const lacking = (facts: BundleFacts, made: MadeKey): typeof fails =>
  made.voters.length === facts.roster.length ? fails : open

const possession = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const proofs = proofsBy(facts, made)
  const proven = new Set<SiteId>(proofs.map(({ site }) => site))
  const { length: total } = facts.roster
  const absent = facts.roster.filter(({ name }) => !proven.has(name)).map(({ name }) => name)
  if (absent.length === 0) return holds(`${total} of ${total} sites proved the share that they sealed`, objects(proofs))
  return lacking(facts, made)(`no proof of the share of ${names(absent)}`, objects(proofs))
}

const tested = (facts: BundleFacts): Finding | undefined => {
  const made = key(facts)
  if (made === undefined) return undefined
  const { evidence, definition, testSignatures } = facts
  const message = evidence.testMessage(made.recordHash)
  const publicKey = fromHex(made.outcome.publicKey)
  const valid = testSignatures.filter(
    ({ value }) =>
      value.record === made.recordHash && evidence.verifySignature(publicKey, message, fromHex(value.signature)),
  )
  if (valid.length !== testSignatures.filter(({ value }) => value.record === made.recordHash).length)
    return fails('a test signature does not verify under the key', objects(testSignatures))
  const sets = evidence.testSignerSets(definition.sites.length, definition.threshold)
  const missing = sets.filter((set) => !valid.some(({ value }) => value.signers.join() === set.join()))
  return missing.length === 0
    ? holds(`${sets.length} test signatures, every site in one, verify under the key`, objects(valid))
    : lacking(facts, made)(`${missing.length} of ${sets.length} test signatures are not here`, objects(valid))
}

export const possessionChecks = [
  { id: 'possession.proven', needs: 'result', run: possession },
  { id: 'possession.tested', needs: 'result', run: tested },
  {
    id: 'possession.records',
    run: (facts) =>
      makesKey(facts) ? faulty(facts, ['possession', 'test-signature'], 'every proof is its site’s own') : undefined,
  },
] as const satisfies readonly Check[]

export const voteChecks = [
  { id: 'votes.ready', needs: 'result', run: ready },
  { id: 'votes.single', needs: 'result', run: single },
  { id: 'votes.based', needs: 'result', run: based },
  { id: 'votes.recorded', needs: 'result', run: recorded },
  { id: 'votes.installed', needs: 'result', run: installed },
  { id: 'votes.kept', needs: 'result', run: kept },
  { id: 'votes.output', run: output },
  {
    id: 'votes.records',
    run: (facts) =>
      makesKey(facts)
        ? faulty(
            facts,
            ['outcome', 'record', 'staged', 'ready', 'installed', 'retired'],
            'every vote and receipt is its site’s own',
          )
        : undefined,
  },
] as const satisfies readonly Check[]
