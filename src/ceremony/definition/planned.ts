import { readCard } from '../../identity/card.ts'
import type { Identity, SiteId, Time } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Random } from '../../lib/ports.ts'
import { sealingOf } from '../../records/access.ts'
import { DecodeError } from '../../records/codec.ts'
import { type Definition, definitionCodec, receiversIn } from '../../records/definition.ts'
import type { SiteEntry } from '../../records/definition-fields.ts'
import { attemptsThatSuffice } from '../../records/seats.ts'
import type { Finding } from './finding.ts'
import type { KeyBase } from './lint-key.ts'

/** Parts of every plan, whatever its kind. */

export interface Planned<D extends Definition> {
  readonly definition: D
  readonly findings: readonly Finding[]
}

/** Fields that a planner may leave to the defaults. */
export interface Common {
  readonly name: string
  readonly window: { readonly opens: Time; readonly closes: Time }
  readonly approvers?: readonly Identity[]
  readonly attempts?: number
  readonly deadlines?: Partial<Definition['deadlines']>
}

/**
 * Seconds. All sites hear, check and sign a proposal, and more sites take longer: a second each, where that is more than
 * five.
 */
const standardDeadlines = (sites: number): Definition['deadlines'] => ({
  gather: 900,
  proposal: Math.max(5, sites),
  round: Math.max(20, 2 * sites),
  close: Math.max(60, 4 * sites),
})

/** Room for every attempt that can fail while a quorum is here, as far as a definition can give it. */
const MOST_ATTEMPTS = 100

/** A proposal waits no longer than the gathering that it is part of. */
const deadlinesOf = (wanted: Common, sites: number): Definition['deadlines'] => {
  const deadlines = { ...standardDeadlines(sites), ...wanted.deadlines }
  return { ...deadlines, proposal: Math.min(deadlines.proposal, deadlines.gather) }
}

export const shared = (wanted: Common, candidates: number, threshold: number, random: Random) => ({
  name: wanted.name,
  nonce: toHex(random(16)),
  window: wanted.window,
  attempts: wanted.attempts ?? Math.min(MOST_ATTEMPTS, Math.max(5, attemptsThatSuffice(candidates, threshold))),
  deadlines: deadlinesOf(wanted, candidates),
})

/** Throws E_USAGE where a value is none that a definition can hold. */
export const planned = <D extends Definition>(definition: D, findings: readonly Finding[]): Planned<D> => {
  try {
    return { definition: definitionCodec.decode(definitionCodec.encode(definition)) as D, findings }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new QuorateError('E_USAGE', error.message, 'mend this value and plan again; nothing was written', {}, error)
  }
}

/** A key that is used, and what a planner may say otherwise than the ceremony that made its newest epoch. */
export interface OfKey {
  readonly key: KeyBase
  /** Of sites whose card has changed since. */
  readonly cards?: readonly Uint8Array[]
  readonly relays?: Definition['relays']
}

/** The sites of the key, in their order, by their newest cards. Throws E_CARD for a card of a stranger. */
export const sitesOf = ({ key, cards }: OfKey): SiteEntry[] => {
  const sites = receiversIn(key.definition)
  const newer = new Map<Identity, SiteEntry>()
  for (const { value } of (cards ?? []).map(readCard)) {
    if (!sites.some((site) => site.identity === value.identity))
      throw new QuorateError(
        'E_CARD',
        'a card is of a site that holds no share of this key',
        'give cards of the sites of the key only',
      )
    newer.set(value.identity, value)
  }
  return sites.map((site) => newer.get(site.identity) ?? key.rewrapped?.get(site.identity) ?? site)
}

/** Fields that are those of the key, whoever holds it next, where the planner does not say otherwise. */
export const sharedWithKey = (wanted: Omit<Common, 'name'> & OfKey, sites: readonly SiteEntry[]) => {
  const { definition: made, key, record } = wanted.key
  return {
    protocol: made.protocol,
    sites: [...sites],
    approvers: [...(wanted.approvers ?? made.approvers)].sort(),
    sealing: sealingOf(sites),
    relays: wanted.relays ?? made.relays,
    key,
    base: record,
  }
}

/** Throws E_USAGE for a name that no site of the key has. */
export const refuseNoSite = (names: readonly SiteId[], sites: readonly SiteEntry[], { definition }: KeyBase): void => {
  const stranger = names.find((name) => !sites.some((site) => site.name === name))
  if (stranger !== undefined)
    throw new QuorateError(
      'E_USAGE',
      `no site ${stranger} holds a share of this key`,
      `quorate keys show --key ${definition.name} names them`,
    )
}
