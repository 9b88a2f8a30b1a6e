import { publicKeyOf } from '../../src/identity/ed25519.ts'
import { identityOf } from '../../src/identity/identity.ts'
import type { Hash, Identity, SiteId, Time } from '../../src/lib/brand.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { SiteEntry } from '../../src/records/definition-fields.ts'
import type { EmergencyDefinition } from '../../src/records/kinds/emergency.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { ReadmitDefinition } from '../../src/records/kinds/readmit.ts'
import type { ReconstructDefinition } from '../../src/records/kinds/reconstruct.ts'
import type { RefreshDefinition } from '../../src/records/kinds/refresh.ts'
import type { RepairDefinition } from '../../src/records/kinds/repair.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import type { RewrapDefinition } from '../../src/records/kinds/rewrap.ts'
import type { SignDefinition } from '../../src/records/kinds/sign.ts'
import { memoryHome } from './home.ts'
import { ageRecipient, certificateRecipient } from './recipients.ts'

const cards = new Map<string, Promise<SiteEntry>>()
/** A home is made for it once: most definitions are made of the same few. */
const cardOf = async (name: string): Promise<SiteEntry> => {
  const card = cards.get(name) ?? memoryHome(name).then(({ home }) => home.card())
  cards.set(name, card)
  return structuredClone(await card)
}

export const siteEntries = (names: readonly string[] = ['eu', 'us', 'ap']): Promise<SiteEntry[]> =>
  Promise.all(names.map(cardOf))

/** A relay as `plan` writes it: with its identity. */
export const pinnedRelays = [
  { url: 'wss://relay.example', identity: identityOf('relay', publicKeyOf(new Secret(new Uint8Array(32).fill(9)))) },
]

/** A 2-of-3 keygen of the homes that `memoryHome` makes; open for all of 2026 and 2027. */
export const keygenDefinition = async (changes: Partial<KeygenDefinition> = {}): Promise<KeygenDefinition> => ({
  kind: 'keygen',
  name: 'treasury',
  nonce: '000102030405060708090a0b0c0d0e0f',
  protocol: 'frost-ed25519',
  threshold: 2,
  sites: await siteEntries(),
  approvers: [],
  sealing: 'one-key',
  relays: [{ url: 'wss://relay.example', identity: null }],
  window: { opens: '2026-01-01T00:00:00Z' as Time, closes: '2027-12-31T23:59:59Z' as Time },
  attempts: 5,
  deadlines: { gather: 900, proposal: 5, round: 20, close: 60 },
  base: null,
  ...changes,
})

export const signDefinition = async (changes: Partial<SignDefinition> = {}): Promise<SignDefinition> => ({
  ...(await keygenDefinition()),
  kind: 'sign',
  name: 'payment',
  key: 'ab'.repeat(32) as Hash,
  base: 'cd'.repeat(32) as Hash,
  message: { form: 'file', name: 'payment.txt', size: 5, sha256: 'ef'.repeat(32) as Hash },
  signers: 'any',
  ...changes,
})

export const refreshDefinition = async (changes: Partial<RefreshDefinition> = {}): Promise<RefreshDefinition> => ({
  ...(await keygenDefinition()),
  kind: 'refresh',
  key: 'ab'.repeat(32) as Hash,
  base: 'cd'.repeat(32) as Hash,
  epoch: 2,
  supersedes: [],
  ...changes,
})

/** The third site's share, for a machine called sa. */
export const repairDefinition = async (changes: Partial<RepairDefinition> = {}): Promise<RepairDefinition> => ({
  ...(await refreshDefinition()),
  kind: 'repair',
  sites: await siteEntries(['eu', 'us', 'sa']),
  from: {
    sites: ['eu', 'us', 'ap'] as SiteId[],
    publicKey: 'ef'.repeat(32),
    verifyingShares: ['01', '02', '03'].map((byte) => byte.repeat(32)),
    helpers: ['eu', 'us'] as SiteId[],
  },
  ...changes,
})

export const reshareDefinition = async (changes: Partial<ReshareDefinition> = {}): Promise<ReshareDefinition> => ({
  ...(await refreshDefinition()),
  kind: 'reshare',
  receivers: 3,
  from: {
    threshold: 2,
    sites: ['eu', 'us', 'ap'] as SiteId[],
    publicKey: 'ef'.repeat(32),
    verifyingShares: ['01', '02', '03'].map((byte) => byte.repeat(32)),
    dealers: ['eu', 'us', 'ap'] as SiteId[],
  },
  ...changes,
})

export const approverIdentities = async (): Promise<Identity[]> =>
  (
    await Promise.all(
      ['notary-1', 'notary-2'].map(async (name) => (await memoryHome(name, { role: 'approver' })).home.identity),
    )
  ).sort()

export const reconstructDefinition = async (
  changes: Partial<ReconstructDefinition> = {},
): Promise<ReconstructDefinition> => ({
  ...(await keygenDefinition()),
  kind: 'reconstruct',
  approvers: await approverIdentities(),
  key: 'ab'.repeat(32) as Hash,
  base: 'cd'.repeat(32) as Hash,
  of: { publicKey: 'ef'.repeat(32), verifyingShares: ['01', '02', '03'].map((byte) => byte.repeat(32)) },
  givers: ['eu', 'us', 'ap'] as SiteId[],
  recipients: [ageRecipient(), certificateRecipient('vault', 'p256.crt'), certificateRecipient('court', 'rsa.crt')],
  reason: 'the vendor is gone',
  ...changes,
})

export const readmitDefinition = async (changes: Partial<ReadmitDefinition> = {}): Promise<ReadmitDefinition> => ({
  ...(await keygenDefinition()),
  kind: 'readmit',
  key: 'ab'.repeat(32) as Hash,
  base: 'cd'.repeat(32) as Hash,
  returning: 'ap' as SiteId,
  ledger: { size: 40, root: 'ef'.repeat(32) as Hash },
  helpers: ['eu', 'us'] as SiteId[],
  reason: 'restored from an old backup',
  ...changes,
})

/** The first site's share, from another KMS key. */
export const rewrapDefinition = async (changes: Partial<RewrapDefinition> = {}): Promise<RewrapDefinition> => ({
  ...(await keygenDefinition()),
  kind: 'rewrap',
  key: 'ab'.repeat(32) as Hash,
  base: 'cd'.repeat(32) as Hash,
  of: { publicKey: 'ef'.repeat(32), verifyingShares: ['01', '02', '03'].map((byte) => byte.repeat(32)) },
  site: 'eu' as SiteId,
  old: { envelope: '12'.repeat(32) as Hash, kms: [{ provider: 'local', key: '/keys/eu-old.key' }] },
  witnesses: ['us', 'ap'] as SiteId[],
  ...changes,
})

export const emergencyDefinition = async (
  changes: Partial<EmergencyDefinition> = {},
): Promise<EmergencyDefinition> => ({
  ...(await keygenDefinition({ name: 'treasury-2' })),
  kind: 'emergency',
  fences: {
    key: 'ab'.repeat(32) as Hash,
    base: 'cd'.repeat(32) as Hash,
    name: 'treasury',
    threshold: 2,
    holders: (await siteEntries()).map(({ name, identity }) => ({ name, identity })),
    reason: 'the build server was broken into',
    sweep: '2027-01-31T00:00:00Z' as Time,
  },
  ...changes,
})
