import type { Hash, Identity } from '../../lib/brand.ts'
import { type Definition, receiversIn, type Successor } from '../../records/definition.ts'
import type { SiteEntry } from '../../records/definition-fields.ts'
import type { ReadmitDefinition } from '../../records/kinds/readmit.ts'
import type { ReconstructDefinition } from '../../records/kinds/reconstruct.ts'
import type { RefreshDefinition } from '../../records/kinds/refresh.ts'
import { mendedPlace, type RepairDefinition } from '../../records/kinds/repair.ts'
import type { ReshareDefinition } from '../../records/kinds/reshare.ts'
import type { RewrapDefinition } from '../../records/kinds/rewrap.ts'
import type { SignDefinition } from '../../records/kinds/sign.ts'
import { error, type Finding } from './finding.ts'

/** The newest epoch of a key. */
export interface KeyBase {
  /** The one that made it. */
  readonly definition: Definition
  /** Hash of the keygen outcome. */
  readonly key: Hash
  readonly record: Hash
  /** From 1. */
  readonly epoch: number
  /** In the curve's own encoding. */
  readonly publicKey: string
  /** In index order. */
  readonly verifyingShares: readonly string[]
  /** Indices of these shares that each identity was given, as far as this home knows. */
  readonly given?: ReadonlyMap<Identity, ReadonlySet<number>> | undefined
  /** Newest entries of sites whose share was sealed anew since, as far as this home knows. */
  readonly rewrapped?: ReadonlyMap<Identity, SiteEntry> | undefined
}

/** A roster as a definition names it: where it stands, its quorum, and who holds which share. */
interface Named {
  readonly threshold: readonly [place: string, value: number]
  readonly place: string
  readonly sites: readonly (SiteEntry | undefined)[]
}

/** Places are indices, so the order counts. */
const lintRoster = ({ threshold, place, sites }: Named, { definition }: KeyBase): readonly Finding[] => {
  const holders = receiversIn(definition)
  const roster = sites.length === holders.length
  return [
    ...(threshold[1] === definition.threshold
      ? []
      : [error('key-threshold', threshold[0], `the key needs ${definition.threshold}`)]),
    ...(roster ? [] : [error('roster', place, `the key has ${holders.length} sites`)]),
    ...holders.flatMap((site, n) =>
      roster && sites[n]?.identity !== site.identity
        ? [error('roster', `${place}[${n}]`, 'not the site that holds this share')]
        : [],
    ),
  ]
}

const lintCommon = (
  definition: SignDefinition | ReconstructDefinition | ReadmitDefinition | RewrapDefinition | Successor,
  base: KeyBase,
): readonly Finding[] => [
  ...(definition.key === base.key ? [] : [error('key', 'key', 'another key')]),
  ...(definition.base === base.record
    ? []
    : [error('base', 'base', 'not the newest record of this key that this home holds')]),
  ...('epoch' in definition && definition.epoch !== base.epoch + 1
    ? [error('epoch', 'epoch', `the key is in epoch ${base.epoch}: the next one is ${base.epoch + 1}`)]
    : []),
  ...(definition.protocol === base.definition.protocol
    ? []
    : [error('key-protocol', 'protocol', `the key is for ${base.definition.protocol}`)]),
]

/** Where a definition for the sites of a key says otherwise than the key. */
export const lintAgainst = (
  definition: SignDefinition | RefreshDefinition | ReconstructDefinition | ReadmitDefinition | RewrapDefinition,
  base: KeyBase,
): readonly Finding[] => [
  ...lintCommon(definition, base),
  ...lintRoster({ threshold: ['threshold', definition.threshold], place: 'sites', sites: definition.sites }, base),
]

/** Where a definition for other sites says otherwise of the old ones than the key. */
export const lintOldRoster = (definition: ReshareDefinition, base: KeyBase): readonly Finding[] => {
  const { from } = definition
  const sites = from.sites.map((name) => definition.sites.find((site) => site.name === name))
  return [
    ...lintCommon(definition, base),
    ...lintRoster({ threshold: ['from.threshold', from.threshold], place: 'from.sites', sites }, base),
    ...lintEpoch('from', from, base),
  ]
}

const lintEpoch = (
  place: string,
  { publicKey, verifyingShares }: Pick<KeyBase, 'publicKey' | 'verifyingShares'>,
  base: KeyBase,
): readonly Finding[] =>
  publicKey === base.publicKey && verifyingShares.join() === base.verifyingShares.join()
    ? []
    : [error('key-shares', place, 'not the public key and verifying shares of this key')]

/** Where a definition that says what the shares of the key are says otherwise than the key. */
export const lintGiven = (definition: ReconstructDefinition | RewrapDefinition, base: KeyBase): readonly Finding[] => [
  ...lintAgainst(definition, base),
  ...lintEpoch('of', definition.of, base),
]

/**
 * Where a definition that takes a site back says otherwise than the key. One of an older epoch is planned at a home that was
 * set back behind a refresh: its share is of no use, and nothing of it is taken back.
 */
export const lintReadmitted = (definition: ReadmitDefinition, base: KeyBase): readonly Finding[] =>
  lintAgainst(definition, base).map((finding) =>
    finding.rule === 'base'
      ? error(
          'base',
          'base',
          `not the newest record of this key that this home holds: where ${definition.returning} has a share of an older epoch only, it is mended, not readmitted (quorate recover plan --lost ${definition.returning})`,
        )
      : finding,
  )

/** All repairs since the shares were made are of one polynomial: who has two of them has one more than it should. */
const lintSecondShare = ({ name, identity }: SiteEntry, place: number, { given }: KeyBase): readonly Finding[] => {
  const others = [...(given?.get(identity) ?? [])].filter((index) => index !== place + 1)
  return others.length === 0
    ? []
    : [
        error(
          'mended-site',
          `sites[${place}]`,
          `${name} may hold share ${others.join(', ')} of these: take another machine, or hand the key on with it (quorate rotate plan --to --without)`,
        ),
      ]
}

/**
 * Where a definition that mends a site says otherwise than the key: of each old site but the lost one, and of the name that
 * this one had. The machine in its place has another identity.
 */
export const lintLostSite = (definition: RepairDefinition, base: KeyBase): readonly Finding[] => {
  const holders = receiversIn(base.definition)
  const place = mendedPlace(definition)
  const mended = definition.sites[place]
  const sites = definition.sites.map((site, at) => (at === place ? holders[at] : site))
  const misnamed = definition.from.sites.findIndex((name, at) => name !== holders[at]?.name)
  return [
    ...lintCommon(definition, base),
    ...lintRoster({ threshold: ['threshold', definition.threshold], place: 'sites', sites }, base),
    ...(misnamed < 0
      ? []
      : [
          error(
            'old-site',
            `from.sites[${misnamed}]`,
            `the key calls this site ${holders[misnamed]?.name ?? 'nothing'}`,
          ),
        ]),
    ...(mended !== undefined && holders.some(({ identity }) => identity === mended.identity)
      ? [error('mended-site', 'sites', `${mended.name} has the identity of a site that holds a share of this key`)]
      : []),
    ...(mended === undefined ? [] : lintSecondShare(mended, place, base)),
    ...lintEpoch('from', definition.from, base),
  ]
}
