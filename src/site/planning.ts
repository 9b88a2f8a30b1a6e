import { is } from 'valibot'
import { type ControlDomain, sharedControl } from '../ceremony/definition/control-domains.ts'
import { type Finding, warning } from '../ceremony/definition/finding.ts'
import { lint } from '../ceremony/definition/lint.ts'
import { planKeygen, planRefresh, planRepair, planReshare, planSign } from '../ceremony/definition/plan.ts'
import { givenShares } from '../ceremony/epoch/given-shares.ts'
import { recordsToName, refuseUnnamed, undecidedVotes } from '../ceremony/epoch/rivals.ts'
import { parseIdentity } from '../identity/identity.ts'
import { fingerprint } from '../identity/words.ts'
import { protectionOf } from '../kms/providers.ts'
import type { Hash, Identity, SiteId, Time } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { ceremonyId, type Definition, receiversIn, recordKind } from '../records/definition.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import { definitionYaml } from '../records/definition-yaml.ts'
import { time } from '../records/fields.ts'
import type { Topic } from '../records/kinds/kind.ts'
import type { RefreshDefinition } from '../records/kinds/refresh.ts'
import type { ReshareDefinition } from '../records/kinds/reshare.ts'
import { askRelayIdentity } from '../transport/relay-identity.ts'
import { wholeKeysOf } from './given-away.ts'
import type { RelayAccess } from './home-session.ts'
import { keyBase } from './keys.ts'
import { kmsKeysOf } from './kms-keys.ts'
import { machine } from './machine.ts'
import { type MessageFlags, messageOf } from './message-flags.ts'
import { NOTHING_SEEN, type Seen } from './seen.ts'
import { votedIn, votesOfHome } from './votes.ts'

/** Everything that people look at before they approve. */
export interface DefinitionShown {
  readonly ceremony: Hash
  readonly definition: Definition
  /** Sites that hold a share of the epoch that it makes, or uses, in the order of their indices. */
  readonly receivers: readonly SiteId[]
  /** The commands that run it. */
  readonly topic: Topic
  /** Eight words that stand for the ceremony id. */
  readonly words: readonly string[]
  readonly findings: readonly Finding[]
  /** Control domains that reach more than one site's shard. */
  readonly shared: readonly ControlDomain[]
  /** Protection by the KMS provider's own statement, by site; a site that is not here has none of those. */
  readonly protection: Readonly<Record<string, readonly string[]>>
  readonly window: 'opens' | 'open' | 'closed'
  /** Milliseconds until it opens, or while it is still open; 0 when closed. */
  readonly left: number
}

const usage = (message: string, hint: string): QuorateError => new QuorateError('E_USAGE', message, hint)

const protectionBySite = ({ sites }: Definition): DefinitionShown['protection'] =>
  Object.fromEntries(
    sites.flatMap(({ name, kms }) => {
      const said = new Set(kms.flatMap((slot) => protectionOf(slot) ?? []))
      return said.size === 0 ? [] : [[name, [...said]]]
    }),
  )

export const describeDefinition = async (
  definition: Definition,
  now: number,
  findings: readonly Finding[] = lint(definition, now),
): Promise<DefinitionShown> => {
  const ceremony = ceremonyId(definition)
  const [opens, closes] = [Date.parse(definition.window.opens), Date.parse(definition.window.closes)]
  return {
    ceremony,
    definition,
    receivers: receiversIn(definition).map(({ name }) => name),
    topic: recordKind(definition).topic,
    words: await fingerprint(ceremony),
    findings,
    shared: sharedControl(receiversIn(definition), definition.threshold),
    protection: protectionBySite(definition),
    window: now < opens ? 'opens' : now < closes ? 'open' : 'closed',
    left: now < opens ? opens - now : Math.max(0, closes - now),
  }
}

/** The flags that every kind of plan takes. */
export interface CommonFlags extends RelayAccess {
  readonly name: string
  readonly opens: string | undefined
  readonly closes: string | undefined
  /** Seconds; undefined: the standard. */
  readonly gather?: number | undefined
  readonly round?: number | undefined
  readonly relays: readonly string[]
  readonly approvers: readonly string[]
}

export const WEEK = 7 * 86_400_000
/** A window that opens now is not open yet for a site whose clock is behind the planner's. */
const EARLY = 600_000

export const timeOf = (flag: string, text: string | undefined, otherwise: number): Time => {
  const value = text ?? `${new Date(otherwise).toISOString().slice(0, 19)}Z`
  if (!is(time, value)) throw usage(`--${flag} is not a time in UTC`, 'write it as 2026-12-01T09:00:00Z')
  return value
}

/** URL, or URL#IDENTITY as `relay serve` prints it. */
const relayOf = (text: string): Definition['relays'][number] => {
  const [url = '', identity, ...rest] = text.split('#')
  if (rest.length > 0 || (identity !== undefined && parseIdentity(identity)?.role !== 'relay'))
    throw usage('--relay is not URL or URL#IDENTITY', 'copy it from the line that relay serve prints')
  return { url, identity: identity === undefined ? null : (identity as Identity) }
}

/**
 * The relays that the flags name. Where a flag gives no identity, the relay that answers is asked, so that no other one can
 * pass its challenges on; where none answers, any relay there will do, and lint says so.
 */
const relaysOf = (texts: readonly string[], { relayCa }: RelayAccess): Promise<Definition['relays']> =>
  Promise.all(
    texts.map(relayOf).map(async (relay) => ({
      ...relay,
      identity: relay.identity ?? (await askRelayIdentity(relay.url, relayCa)) ?? null,
    })),
  )

const approverOf = (text: string): Identity => {
  if (parseIdentity(text)?.role === 'approver') return text as Identity
  throw usage('--approver is not the identity of an approver', 'it begins with qapprover1')
}

const commonOf = (flags: Omit<CommonFlags, 'name'>, now: number) => {
  const opens = timeOf('opens', flags.opens, now - EARLY)
  const until = (flags.opens === undefined ? now : Date.parse(opens)) + WEEK
  const { gather, round } = flags
  return {
    window: { opens, closes: timeOf('closes', flags.closes, until) },
    deadlines: {
      ...(gather === undefined ? {} : { gather }),
      ...(round === undefined ? {} : { round }),
    },
  }
}

/** The same of a key that is there: relays and approvers are those of its newest epoch where the flags name none. */
export const commonOfKey = async (flags: Omit<CommonFlags, 'name'>, now: number) => ({
  ...commonOf(flags, now),
  ...(flags.relays.length === 0 ? {} : { relays: await relaysOf(flags.relays, flags) }),
  ...(flags.approvers.length === 0 ? {} : { approvers: flags.approvers.map(approverOf) }),
})

/** A plan and the file that holds it. */
export interface PlanMade {
  readonly shown: DefinitionShown
  readonly seen: Seen
  readonly yaml: Uint8Array
}

export const planMade = async (
  definition: Definition,
  findings: readonly Finding[],
  now: number,
  seen: Seen,
): Promise<PlanMade> => ({
  seen,
  shown: await describeDefinition(definition, now, findings),
  yaml: definitionYaml(definition),
})

export const planNewKey = async (
  flags: CommonFlags & {
    readonly protocol: ProtocolId
    readonly threshold: number
    readonly cards: readonly Uint8Array[]
  },
  now: number,
): Promise<PlanMade> => {
  const { protocol, threshold, cards } = flags
  const relays = await relaysOf(flags.relays, flags)
  const approvers = flags.approvers.map(approverOf)
  const { definition, findings } = planKeygen(
    { ...commonOf(flags, now), name: flags.name, protocol, threshold, cards, relays, approvers },
    machine.random,
    now,
  )
  return planMade(definition, findings, now, NOTHING_SEEN)
}

export const planSignature = async (
  flags: CommonFlags &
    MessageFlags & {
      readonly home: string
      readonly key: string
      readonly signers: readonly string[]
      readonly cards: readonly Uint8Array[]
    },
  now: number,
): Promise<PlanMade & { readonly publicKey: string }> => {
  const base = await keyBase(flags.home, flags.key)
  const [message, content] = await messageOf(flags)
  const { definition, findings } = planSign(
    {
      ...(await commonOfKey(flags, now)),
      name: flags.name,
      key: base,
      message,
      signers: flags.signers.length === 0 ? 'any' : (flags.signers as readonly SiteId[]),
      cards: flags.cards,
    },
    machine.random,
    now,
  )
  const { publicKey } = base
  const key = { name: base.definition.name, protocol: base.definition.protocol, publicKey }
  const reconstructed = await wholeKeysOf(flags.home, base.key)
  return { ...(await planMade(definition, findings, now, { ...NOTHING_SEEN, content, key, reconstructed })), publicKey }
}

/** Flags of what replaces an epoch of a key; it keeps the key's name. */
export type OfKeyFlags = Omit<CommonFlags, 'name'> & {
  readonly home: string
  readonly key: string
  /** Of sites of the key whose card has changed. */
  readonly cards: readonly Uint8Array[]
}

/** Throws E_NOT_FOUND where this home holds no share of the key. */
export const ofKey = async (flags: OfKeyFlags, now: number) => {
  const base = await keyBase(flags.home, flags.key)
  const { supersedes, voted, given } = await votesOfHome(flags.home, async (votes) => ({
    given: await givenShares(votes, base.key, base.record),
    supersedes: await recordsToName(votes, base.key),
    voted: votedIn(votes.ledger),
  }))
  const { name, protocol } = base.definition
  const reconstructed = await wholeKeysOf(flags.home, base.key)
  const seen: Seen = { ...NOTHING_SEEN, key: { name, protocol, publicKey: base.publicKey }, voted, reconstructed }
  const wanted = { ...(await commonOfKey(flags, now)), key: { ...base, given }, cards: flags.cards, supersedes }
  return { wanted, seen }
}

/** New shares for the sites that hold the key, or for others. Throws E_NOT_FOUND where this home holds none of its shares. */
export const planRotation = async (
  flags: OfKeyFlags & {
    /** Other sites, or another quorum; undefined: those of the key. */
    readonly to?: {
      /** Cards of all that receive a share, in the order of their indices; empty: the sites of the key. */
      readonly cards: readonly Uint8Array[]
      readonly threshold: number | undefined
      /** Old sites that do not take part. */
      readonly without: readonly string[]
    }
  },
  now: number,
): Promise<PlanMade> => {
  const { to } = flags
  const { wanted, seen } = await ofKey(flags, now)
  const { definition, findings } =
    to === undefined
      ? planRefresh(wanted, machine.random, now)
      : planReshare(
          {
            ...wanted,
            to: to.cards,
            threshold: to.threshold ?? wanted.key.definition.threshold,
            without: to.without as readonly SiteId[],
          },
          machine.random,
          now,
        )
  return planMade(definition, [...findings, ...(await movedKms(flags.home, definition))], now, seen)
}

/** This site cannot take part by its card of today before its share lies under that card's KMS key. */
const movedKms = async (home: string, { sites, key }: RefreshDefinition | ReshareDefinition): Promise<Finding[]> => {
  const { site, moved } = await kmsKeysOf(home, key)
  const place = sites.findIndex(({ identity }) => identity === site)
  const why = 'this site’s share lies under another key than its site.yaml names: quorate rotate rewrap comes first'
  return moved && place >= 0 ? [warning('kms-moved', `sites[${place}].kms`, why)] : []
}

/** The share of a site that lost it, for another machine. Throws E_NOT_FOUND where this home holds no share of the key. */
export const planRecovery = async (
  flags: OfKeyFlags & {
    readonly lost: string
    /** The card of the machine that gets the share. */
    readonly to: Uint8Array
    /** Sites that make it again; empty: the first that still hold one. */
    readonly helpers: readonly string[]
  },
  now: number,
): Promise<PlanMade> => {
  const { wanted, seen } = await ofKey(flags, now)
  const { definition, findings } = planRepair(
    { ...wanted, lost: flags.lost as SiteId, to: flags.to, helpers: flags.helpers as readonly SiteId[] },
    machine.random,
    now,
  )
  refuseUnnamed(definition, await votesOfHome(flags.home, (votes) => undecidedVotes(votes, definition.key)))
  return planMade(definition, findings, now, seen)
}
