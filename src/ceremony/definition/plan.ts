import { readCard } from '../../identity/card.ts'
import type { Hash, SiteId, Time } from '../../lib/brand.ts'
import type { Random } from '../../lib/ports.ts'
import { sealingOf } from '../../records/access.ts'
import { type Definition, receiversIn } from '../../records/definition.ts'
import type { ProtocolId } from '../../records/definition-fields.ts'
import type { EmergencyDefinition } from '../../records/kinds/emergency.ts'
import type { KeygenDefinition } from '../../records/kinds/keygen.ts'
import type { Recipient, ReconstructDefinition } from '../../records/kinds/reconstruct.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import type { RepairDefinition } from '../../records/kinds/repair.ts'
import type { ReshareDefinition } from '../../records/kinds/reshare.ts'
import type { SignDefinition, SignMessage } from '../../records/kinds/sign.ts'
import { lint } from './lint.ts'
import { lintFence } from './lint-fence.ts'
import { lintAgainst, lintGiven, lintLostSite, lintOldRoster } from './lint-key.ts'
import {
  type Common,
  type OfKey,
  type Planned,
  planned,
  refuseNoSite,
  shared,
  sharedWithKey,
  sitesOf,
} from './planned.ts'

/** The order of the cards is the order of the sites. Throws E_CARD for a card that is not one. */
export const planKeygen = (
  wanted: Common & {
    readonly protocol: ProtocolId
    readonly threshold: number
    /** Card files. */
    readonly cards: readonly Uint8Array[]
    readonly relays: Definition['relays']
  },
  random: Random,
  now?: number,
): Planned<KeygenDefinition> => {
  const { protocol, threshold, relays, approvers } = wanted
  const sites = wanted.cards.map((card) => readCard(card).value)
  const definition: KeygenDefinition = {
    kind: 'keygen',
    ...shared(wanted, wanted.cards.length, threshold, random),
    protocol,
    threshold,
    sites,
    approvers: [...(approvers ?? [])].sort(),
    sealing: sealingOf(sites),
    relays,
    base: null,
  }
  return planned(definition, lint(definition, now))
}

/** Throws E_CARD for a card of a stranger. */
export const planSign = (
  wanted: Common & OfKey & { readonly message: SignMessage; readonly signers: 'any' | readonly SiteId[] },
  random: Random,
  now?: number,
): Planned<SignDefinition> => {
  const sites = sitesOf(wanted)
  const place = (name: SiteId): number => sites.findIndex((site) => site.name === name)
  const candidates = wanted.signers === 'any' ? sites.length : wanted.signers.length
  const definition: SignDefinition = {
    kind: 'sign',
    ...shared(wanted, candidates, wanted.key.definition.threshold, random),
    ...sharedWithKey(wanted, sites),
    threshold: wanted.key.definition.threshold,
    message: wanted.message,
    signers: wanted.signers === 'any' ? 'any' : [...wanted.signers].sort((a, b) => place(a) - place(b)),
  }
  return planned(definition, [...lintAgainst(definition, wanted.key), ...lint(definition, now)])
}

/** The next epoch of a key, for the same sites and the same quorum, under the key's own name. Throws E_CARD for a card of a stranger. */
export const planRefresh = (
  wanted: Omit<Common, 'name'> & OfKey & { readonly supersedes: readonly Hash[] },
  random: Random,
  now?: number,
): Planned<RefreshDefinition> => {
  const sites = sitesOf(wanted)
  const { definition: made, epoch } = wanted.key
  const definition: RefreshDefinition = {
    kind: 'refresh',
    ...shared({ ...wanted, name: made.name }, sites.length, made.threshold, random),
    ...sharedWithKey(wanted, sites),
    threshold: made.threshold,
    epoch: epoch + 1,
    supersedes: [...wanted.supersedes].sort(),
  }
  return planned(definition, [...lintAgainst(definition, wanted.key), ...lint(definition, now)])
}

/**
 * The next epoch of a key for the sites of the cards `to`, in their order, or for its own; under the key's own name.
 * `without`: old sites that do not deal. Throws E_CARD for a card of a stranger, and E_USAGE for a name that no old site
 * has.
 */
export const planReshare = (
  wanted: Omit<Common, 'name'> &
    OfKey & {
      readonly supersedes: readonly Hash[]
      readonly threshold: number
      readonly to: readonly Uint8Array[]
      readonly without: readonly SiteId[]
    },
  random: Random,
  now?: number,
): Planned<ReshareDefinition> => {
  const { definition: made, epoch, publicKey, verifyingShares } = wanted.key
  const current = sitesOf(wanted)
  const staying = current.filter(({ name }) => !wanted.without.includes(name))
  const receivers = wanted.to.length === 0 ? staying : wanted.to.map((card) => readCard(card).value)
  const old = current.map((site) => receivers.find(({ identity }) => identity === site.identity) ?? site)
  refuseNoSite(wanted.without, old, wanted.key)
  const leaving = old.filter(({ identity }) => !receivers.some((site) => site.identity === identity))
  const dealers = old.filter(({ name }) => !wanted.without.includes(name))
  const seated = new Set([...receivers, ...dealers].map(({ identity }) => identity))
  const definition: ReshareDefinition = {
    kind: 'reshare',
    ...shared({ ...wanted, name: made.name }, seated.size, wanted.threshold, random),
    ...sharedWithKey(wanted, [...receivers, ...leaving]),
    threshold: wanted.threshold,
    epoch: epoch + 1,
    supersedes: [...wanted.supersedes].sort(),
    receivers: receivers.length,
    from: {
      threshold: made.threshold,
      sites: old.map(({ name }) => name),
      publicKey,
      verifyingShares: [...verifyingShares],
      dealers: dealers.map(({ name }) => name),
    },
  }
  return planned(definition, [...lintOldRoster(definition, wanted.key), ...lint(definition, now)])
}

/**
 * A fresh key in the place of one that is not safe any more, at the sites of the cards `to`, in their order, or at its own.
 * Throws E_CARD for a card of a stranger.
 */
export const planEmergency = (
  wanted: Common &
    OfKey & {
      readonly threshold: number
      readonly to: readonly Uint8Array[]
      readonly reason: string
      readonly sweep: Time
    },
  random: Random,
  now?: number,
): Planned<EmergencyDefinition> => {
  const { definition: made, key, record } = wanted.key
  const { threshold, to, reason, sweep } = wanted
  const old = receiversIn(made)
  const sites = to.length === 0 ? sitesOf(wanted) : to.map((card) => readCard(card).value)
  const { key: _, ...common } = sharedWithKey(wanted, sites)
  const definition: EmergencyDefinition = {
    kind: 'emergency',
    ...shared(wanted, sites.length, threshold, random),
    ...common,
    base: null,
    threshold,
    fences: {
      ...{ key, base: record, name: made.name, threshold: made.threshold, reason, sweep },
      holders: old.map(({ name, identity }) => ({ name, identity })),
    },
  }
  return planned(definition, [...lintFence(definition, wanted.key), ...lint(definition, now)])
}

/**
 * The share of the site `lost`, for the machine of the card `to`. `helpers`: those that make it again; empty: the first of
 * the others. Throws E_CARD for a card of a stranger, and E_USAGE for a name that no site of the key has.
 */
export const planRepair = (
  wanted: Omit<Common, 'name'> &
    OfKey & {
      readonly supersedes: readonly Hash[]
      readonly lost: SiteId
      readonly to: Uint8Array
      readonly helpers: readonly SiteId[]
    },
  random: Random,
  now?: number,
): Planned<RepairDefinition> => {
  const { definition: made, epoch, publicKey, verifyingShares } = wanted.key
  const old = sitesOf(wanted)
  refuseNoSite([wanted.lost, ...wanted.helpers], old, wanted.key)
  const mended = readCard(wanted.to).value
  const names = old.map(({ name }) => name)
  const left = names.filter((name) => name !== wanted.lost)
  const helpers = wanted.helpers.length === 0 ? left.slice(0, made.threshold) : wanted.helpers
  const definition: RepairDefinition = {
    kind: 'repair',
    ...shared({ ...wanted, name: made.name }, old.length, made.threshold, random),
    ...sharedWithKey(
      wanted,
      old.map((site) => (site.name === wanted.lost ? mended : site)),
    ),
    threshold: made.threshold,
    epoch: epoch + 1,
    supersedes: [...wanted.supersedes].sort(),
    from: {
      sites: names,
      publicKey,
      verifyingShares: [...verifyingShares],
      helpers: [...helpers].sort((a, b) => names.indexOf(a) - names.indexOf(b)),
    },
  }
  return planned(definition, [...lintLostSite(definition, wanted.key), ...lint(definition, now)])
}

/**
 * Gives the whole key to recipients outside, under the key's own name. `without`: sites that do not give their share.
 * Throws E_CARD for a card of a stranger, and E_USAGE for a name that no site of the key has.
 */
export const planReconstruct = (
  wanted: Omit<Common, 'name'> &
    OfKey & { readonly recipients: readonly Recipient[]; readonly reason: string; readonly without: readonly SiteId[] },
  random: Random,
  now?: number,
): Planned<ReconstructDefinition> => {
  const { definition: made, publicKey, verifyingShares } = wanted.key
  const sites = sitesOf(wanted)
  refuseNoSite(wanted.without, sites, wanted.key)
  const givers = sites.map(({ name }) => name).filter((name) => !wanted.without.includes(name))
  const definition: ReconstructDefinition = {
    kind: 'reconstruct',
    ...shared({ ...wanted, name: made.name }, givers.length, made.threshold, random),
    ...sharedWithKey(wanted, sites),
    threshold: made.threshold,
    of: { publicKey, verifyingShares: [...verifyingShares] },
    givers,
    recipients: [...wanted.recipients],
    reason: wanted.reason,
  }
  return planned(definition, [...lintGiven(definition, wanted.key), ...lint(definition, now)])
}
