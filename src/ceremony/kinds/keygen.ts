import type { LogView } from '../../audit/disk-log.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Secret } from '../../lib/secret.ts'
import type { Mailbox, Rounds } from '../../mpc/mailbox.ts'
import type { Protocols } from '../../mpc/registry.ts'
import type { KeygenDefinition } from '../../records/kinds/keygen.ts'
import {
  type EpochRecord,
  installedCodec,
  type Outcome,
  outcomeCodec,
  readyCodec,
  recordCodec,
  stagedCodec,
} from '../../records/outcome.ts'
import { sealShard } from '../../shards/seal.ts'
import type { ShardStore } from '../../shards/store.ts'
import { recordBlame } from '../blame/claims.ts'
import { keygenOutcome } from '../epoch/keygen-outcome.ts'
import { falseProof, keepProofs, proveRecord, unproven } from '../epoch/prove.ts'
import { hedged } from '../hedge.ts'
import { BlameError, type Session, SilenceError } from '../session/session.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { HeldAttempt } from '../store/record-store.ts'

/** The record that this site voted for, or will: the outcome it names and its own bytes. */
export interface Voted {
  readonly outcome: Outcome
  readonly record: EpochRecord
  readonly hash: Hash
}

export interface VoteHooks {
  /** The record is known: what rests on it can be judged. */
  recorded(voted: Voted): void
  /** Called at the last moment before the vote; throws where it may not be given. */
  mayVote(): void
}

/** Run, stage, prove, vote: ends when this site's ready vote is durable and said. */
export const runKeygen = async (
  ceremony: Ceremony,
  protocols: Protocols,
  session: Session,
  attempt: HeldAttempt,
  hooks: VoteHooks,
): Promise<Voted> => {
  const definition = ceremony.authority.definition as KeygenDefinition
  await dropOlder(ceremony)
  const box = session.mailbox(protocols.keygen.id, protocols.keygen.rounds)
  const input = { threshold: definition.threshold, parties: definition.sites.length }
  const made = await protocols.keygen.run(box, input, {
    random: hedged(ceremony.site, attempt.hash, protocols.keygen.id),
  })
  const outcome = keygenOutcome(definition, ceremony.authority.hash, attempt.hash, session.transcript(), made)
  const { share, envelope } = await stage(ceremony, outcome, made.share).finally(() => made.share.wipe())
  try {
    const staged = await everyStaged(ceremony, session, attempt, outcome, envelope)
    const voted = recordOf(outcome, staged)
    ceremony.note('record', recordCodec.encode(voted.record))
    hooks.recorded(voted)
    await proveRecord(ceremony, protocols, box as unknown as Mailbox<Rounds>, outcome, voted.hash, share)
    await everyProven(ceremony, session, protocols, voted)
    keepProofs(ceremony, protocols, voted.outcome, voted.hash)
    // A proof that came after the last wait ended the session; nobody waits on it any more.
    const mayVote = (): void => {
      session.signal.throwIfAborted()
      hooks.mayVote()
    }
    await vote(ceremony, voted, { ...hooks, mayVote })
    return voted
  } finally {
    share.wipe()
  }
}

/** Removes every shard that this ceremony staged here. The caller knows that no vote was given for any. */
export const dropStaged = async (shards: ShardStore, log: LogView): Promise<void> => {
  for (const { what, object, ceremony } of log.replay()) {
    const bytes = what === 'outcome' && object !== null ? log.body(object) : undefined
    // A sign ceremony's log names the outcome of the key that it uses.
    if (bytes === undefined || outcomeCodec.decode(bytes).ceremony !== ceremony) continue
    await shards.dropStaged(hashOf(bytes), hashOf(bytes))
  }
}

/** Old attempts' shards were voted for by nobody: all of this attempt's participants, this site among them, signed it without a vote. */
const dropOlder = async (ceremony: Ceremony): Promise<void> => {
  if (ceremony.store.ready.has(ceremony.seat.name)) throw new Error('an attempt after the vote')
  await dropStaged(ceremony.site.shards, ceremony.log)
}

/**
 * Seals the share, makes it durable, and opens it again from disk through the KMS: that copy is what proves and signs.
 * The caller wipes the share that it gave.
 */
const stage = async (
  ceremony: Ceremony,
  outcome: Outcome,
  share: Secret,
): Promise<{ share: Secret; envelope: Hash }> => {
  const { site, seat, authority } = ceremony
  const bytes = outcomeCodec.encode(outcome)
  const hash = hashOf(bytes)
  ceremony.note('outcome', bytes)
  // Durable before the shard is: a shard that no log knows would lie there for ever.
  await ceremony.log.barrier()
  const keys = await Promise.all(seat.entry.kms.slice(0, 1).map((slot) => site.kms(slot)))
  const verifyingShare = outcome.verifyingShares[seat.index - 1] as string
  const sealed = await sealShard({
    core: {
      kind: 'keygen',
      key: hash,
      protocol: outcome.protocol,
      epoch: 1,
      index: seat.index,
      threshold: outcome.threshold,
      sites: authority.roster.length,
      verifyingShare,
      outcome: hash,
      jurisdiction: seat.entry.jurisdiction,
      access: 'one-key',
    },
    share,
    keys,
    random: hedged(ceremony.site, hash, 'sealing'),
  })
  await site.shards.stage(sealed)
  const envelope = (await site.shards.read(hash, hash))?.envelope
  if (envelope === undefined)
    throw new QuorateError(
      'E_DISK',
      'the sealed shard is not there after it was written',
      'check this machine’s disk, then run join again',
    )
  const reopened = await site.shards.reopen(hash, hash, envelope, keys)
  const { attempt } = outcome
  try {
    await ceremony.publish(
      'staged',
      stagedCodec,
      { ceremony: authority.hash, attempt, site: seat.name, index: seat.index, outcome: hash, envelope },
      { what: 'staged', object: envelope },
    )
  } catch (error) {
    reopened.wipe()
    throw error
  }
  return { share: reopened, envelope }
}

const everyStaged = async (
  ceremony: Ceremony,
  session: Session,
  attempt: HeldAttempt,
  outcome: Outcome,
  own: Hash,
): Promise<readonly Hash[]> => {
  const { store, authority, options, seat } = ceremony
  const total = authority.roster.length
  const expected = hashOf(outcomeCodec.encode(outcome))
  const look = () => {
    const staged = store.staged.get(attempt.hash)
    const missing = authority.roster.filter((member) => staged?.has(member.name) !== true).map((member) => member.name)
    options.progress({ phase: 'step', step: 'staged', got: total - missing.length, total, waiting: missing })
    return missing.length === 0 ? staged : undefined
  }
  const staged = await wait(ceremony, session, 'staged', look, () =>
    authority.roster.filter((m) => store.staged.get(attempt.hash)?.has(m.name) !== true).map((m) => m.name),
  )
  // All honest sites hold the same messages, or one of them now holds the proof of who sent others.
  await session.agree()
  for (const { site, signed, envelope } of staged.values()) {
    if (signed.value.outcome === expected) continue
    const fault = { site, check: 'staged-outcome', records: [{ key: signed.key, envelope }] }
    throw new BlameError(recordBlame(ceremony, fault, session.received(site), attempt))
  }
  const envelopes = authority.roster.map((member) => staged.get(member.name)?.signed.value.envelope as Hash)
  if (envelopes[seat.index - 1] !== own) throw new Error('another envelope of this site')
  return envelopes
}

const recordOf = (outcome: Outcome, envelopes: readonly Hash[]): Voted => {
  const record: EpochRecord = { outcome: hashOf(outcomeCodec.encode(outcome)), envelopes: [...envelopes] }
  return { outcome, record, hash: hashOf(recordCodec.encode(record)) }
}

const everyProven = async (ceremony: Ceremony, session: Session, protocols: Protocols, voted: Voted): Promise<void> => {
  const { store, options, authority } = ceremony
  const total = authority.roster.length
  const proven = () => {
    const fault = falseProof(ceremony, protocols, voted.outcome, voted.hash)
    if (fault !== undefined)
      throw new BlameError(
        recordBlame(ceremony, fault, [recordCodec.encode(voted.record), outcomeCodec.encode(voted.outcome)]),
      )
    const count = store.possessions.get(voted.hash)?.size ?? 0
    if (count < total) {
      const waiting = authority.roster.filter((member) => store.possessions.get(voted.hash)?.has(member.name) !== true)
      options.progress({
        phase: 'step',
        step: 'proven',
        got: count,
        total,
        waiting: waiting.map((member) => member.name),
      })
      return undefined
    }
    return unproven(ceremony, protocols, voted.outcome, voted.hash).length === 0 ? true : undefined
  }
  await wait(ceremony, session, 'proofs', proven, () => lacking(ceremony, protocols, voted))
  options.progress({ phase: 'step', step: 'proven', got: total, total, waiting: [] })
}

/** Sites whose proofs are not here; where only a test signature is missing, those who told of none. */
const lacking = (ceremony: Ceremony, protocols: Protocols, voted: Voted): readonly SiteId[] => {
  const { store, authority, seat } = ceremony
  const missing = unproven(ceremony, protocols, voted.outcome, voted.hash)
  const told = new Set([...(store.testSignatures.get(voted.hash)?.values() ?? [])].map(({ site }) => site))
  const others = authority.roster.map((member) => member.name).filter((name) => name !== seat.name)
  const named = others.filter((name) => missing.includes(name))
  const mute = others.filter((name) => !told.has(name))
  return named.length > 0 ? named : mute.length > 0 ? mute : others
}

const wait = async <T>(
  ceremony: Ceremony,
  session: Session,
  what: string,
  look: () => T | undefined,
  missing: () => readonly SiteId[],
): Promise<T> => {
  const ms = ceremony.authority.definition.deadlines.round * 1000
  const found = await ceremony.store.until(look, ms, session.signal)
  if (found === undefined) throw new SilenceError(missing(), what)
  return found
}

/** The one vote that this site gives under this definition, for ever: from here there is no way back. */
const vote = async (ceremony: Ceremony, voted: Voted, hooks: VoteHooks): Promise<void> => {
  const { site, seat, authority } = ceremony
  // A peer that shows this site's own forgotten vote ends the join; it is not given again.
  ceremony.options.signal.throwIfAborted()
  if (ceremony.store.ready.has(seat.name)) throw new Error('a second vote under one definition')
  await site.shards.keepRecord(voted.record.outcome, voted.outcome, voted.record)
  hooks.mayVote()
  await ceremony.publish(
    'ready',
    readyCodec,
    { ceremony: authority.hash, site: seat.name, record: voted.hash, base: null },
    { what: 'ready', object: voted.hash },
  )
}

/** The record that this site voted for before it stopped; undefined where it has not voted. */
export const votedBefore = (ceremony: Ceremony): Voted | undefined => {
  const own = ceremony.store.ready.get(ceremony.seat.name)
  return own === undefined ? undefined : stagedRecord(ceremony, own.signed.value.record)
}

/** The record behind a vote, where this site staged its shard for it and holds all that the vote rests on. */
const stagedRecord = (ceremony: Ceremony, hash: Hash): Voted | undefined => {
  for (const event of ceremony.events('outcome')) {
    const bytes = event.object === null ? undefined : ceremony.log.body(event.object)
    if (bytes === undefined) continue
    const outcome = outcomeCodec.decode(bytes)
    const staged = ceremony.store.staged.get(outcome.attempt)
    const envelopes = ceremony.authority.roster.map((member) => staged?.get(member.name)?.signed.value)
    if (envelopes.some((one) => one === undefined || one.outcome !== event.object)) continue
    const voted = recordOf(
      outcome,
      envelopes.map((one) => one?.envelope as Hash),
    )
    if (voted.hash === hash) return voted
  }
  return undefined
}

/** A later attempt has begun here, and with it the shards of those before it went: see dropOlder. */
const isDropped = (ceremony: Ceremony, outcome: Hash): boolean => {
  const staged = ceremony.events('outcome').find((event) => event.object === outcome)?.seq ?? -1
  return ceremony.events('started').some(({ seq }) => seq > staged)
}

/**
 * What a vote of another site asks for: the record, where this site staged its shard for it and everything that the vote
 * rests on is here. Such a site checks the rest and votes too, and no attempt runs.
 */
export const votedElsewhere = (ceremony: Ceremony, protocols: Protocols): Voted | undefined => {
  for (const record of ceremony.store.votedFor()) {
    const voted = stagedRecord(ceremony, record)
    if (voted === undefined || isDropped(ceremony, voted.record.outcome)) continue
    if (unproven(ceremony, protocols, voted.outcome, voted.hash).length === 0) return voted
  }
  return undefined
}

export const followVote = async (
  ceremony: Ceremony,
  protocols: Protocols,
  voted: Voted,
  hooks: VoteHooks,
): Promise<void> => {
  ceremony.note('record', recordCodec.encode(voted.record))
  hooks.recorded(voted)
  keepProofs(ceremony, protocols, voted.outcome, voted.hash)
  await vote(ceremony, voted, hooks)
}

/** Waits for all votes, installs the epoch, and waits for the receipts that `close` needs. */
export const commitKeygen = async (ceremony: Ceremony, voted: Voted): Promise<void> => {
  const { store, authority, site, seat, options } = ceremony
  const total = authority.roster.length
  const ms = authority.definition.deadlines.close * 1000
  const votes = () => authority.roster.filter((member) => store.votes(voted.hash).has(member.name))
  const report = (step: 'ready' | 'installed', got: readonly { name: SiteId }[]) =>
    options.progress({
      phase: 'step',
      step,
      got: got.length,
      total,
      waiting: authority.roster.filter((m) => !got.some((one) => one.name === m.name)).map((m) => m.name),
    })
  const all = await store.until(
    () => {
      report('ready', votes())
      refuseWithout(ceremony, voted)
      return votes().length === total ? true : undefined
    },
    ms,
    options.signal,
  )
  if (all === undefined)
    throw notFinished(
      'ready',
      votes().map((m) => m.name),
      authority.roster.map((m) => m.name),
    )
  if (store.installed.get(seat.name) === undefined) {
    await site.shards.install(
      voted.record.outcome,
      voted.record.outcome,
      authority.roster.map((member) => store.votes(voted.hash).get(member.name)?.envelope as Uint8Array),
    )
    ceremony.note('ready-set', undefined, null, voted.hash)
    await ceremony.publish(
      'installed',
      installedCodec,
      { ceremony: authority.hash, site: seat.name, record: voted.hash },
      { what: 'installed', object: voted.hash },
    )
  }
  const receipts = () =>
    authority.roster.filter((member) => store.installed.get(member.name)?.signed.value.record === voted.hash)
  await store.until(
    () => {
      report('installed', receipts())
      return receipts().length === total ? true : undefined
    },
    ms,
    options.signal,
  )
  const needed = Math.min(total, 2 * authority.definition.threshold - 1)
  if (receipts().length < needed)
    throw notFinished(
      'installed',
      receipts().map((m) => m.name),
      authority.roster.map((m) => m.name),
    )
}

/** A site that left before its vote never votes: what the others voted for stays as it is, and is never used. */
const refuseWithout = ({ store, authority }: Ceremony, voted: Voted): void => {
  const left = authority.roster.filter(
    ({ name, identity }) => store.aborts.has(identity) && !store.votes(voted.hash).has(name),
  )
  if (left.length === 0) return
  const names = left.map((member) => member.name)
  throw new QuorateError(
    'E_ABORTED',
    `${names.join(', ')} left this ceremony before the vote`,
    'no key was made; plan a new definition when all agree',
    { left: names },
  )
}

const notFinished = (step: string, got: readonly SiteId[], all: readonly SiteId[]): QuorateError => {
  const waiting = all.filter((name) => !got.includes(name))
  return new QuorateError(
    'E_NOT_FINISHED',
    `${step} ${got.length} of ${all.length}, waiting: ${waiting.join(', ')}`,
    `their operators run join again; then run it here again too. This site’s part is safe on its disk`,
    { step, got, waiting },
  )
}
