import * as v from 'valibot'
import { accessNames } from './access.ts'
import { hexOf, identity, label, line, siteId, sorted, time, whole } from './fields.ts'
import { protocols } from './protocols.ts'

/** Where a site seals its shard. `key` is the provider's own name of the key. */
const kmsSlot = v.strictObject({ provider: label, key: line(512) })
export type KmsSlot = v.InferOutput<typeof kmsSlot>

export const kmsKeys = v.pipe(
  v.array(kmsSlot),
  v.minLength(1, 'expected a KMS key'),
  v.maxLength(8, 'expected at most 8 keys'),
)

/** A site's entry, for which that site vouches; the same fields as its card. */
export const siteEntry = v.strictObject({
  name: siteId,
  identity,
  kms: kmsKeys,
  stores: v.pipe(v.array(line(512)), v.minLength(1, 'expected a store'), v.maxLength(8, 'expected at most 8 stores')),
  jurisdiction: line(64),
  /** Those who can make this site's KMS key open something: organisation, account, administrator. */
  control: v.strictObject({ organisation: line(128), account: line(128), administrator: line(128) }),
  /** Build or enclave measurement, where the site states one. */
  measurement: v.nullable(hexOf(32, 64)),
})
export type SiteEntry = v.InferOutput<typeof siteEntry>

export type ProtocolId = keyof typeof protocols
export const protocolIds = Object.keys(protocols) as readonly ProtocolId[]

/** Fields that the definitions of all kinds share. */
export const commonFields = {
  /** A label for people; a key is identified by the hash of its keygen outcome. */
  name: label,
  /** 128 random bits: no two definitions share a hash. */
  nonce: hexOf(16, 16),
  protocol: v.picklist(protocolIds, `expected one of ${protocolIds.join(', ')}`),
  threshold: whole(2, 255),
  /** In order: a site's place, from 1, is its index. */
  sites: v.pipe(
    v.array(siteEntry),
    v.minLength(2, 'expected two sites or more'),
    v.maxLength(32, 'expected at most 32 sites'),
  ),
  /** Identities that approve and hold no share. */
  approvers: sorted(identity, 16),
  /** A site that names three keys is sealed two-of-three, and one that names one under that one. */
  sealing: v.picklist(accessNames, `expected ${accessNames.join(' or ')}`),
  relays: v.pipe(
    v.array(
      v.strictObject({
        url: v.pipe(line(512), v.regex(/^wss?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/, 'expected ws://… or wss://…')),
        identity: v.nullable(identity),
      }),
    ),
    v.minLength(1, 'expected a relay'),
    v.maxLength(8, 'expected at most 8 relays'),
  ),
  /** When an attempt may start; never when one may finish. */
  window: v.strictObject({ opens: time, closes: time }),
  /** Most attempts that one site signs. */
  attempts: whole(1, 100),
  /** Seconds. */
  deadlines: v.strictObject({
    gather: whole(1, 604_800),
    proposal: whole(1, 3600),
    round: whole(1, 3600),
    close: whole(1, 86_400),
  }),
  /** Seconds that clocks may differ: over `warn` people are told, over `refuse` the site takes no seat. */
  clock: v.optional(v.strictObject({ warn: whole(1, 86_400), refuse: whole(1, 86_400) })),
}
