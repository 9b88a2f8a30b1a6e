import { posix } from 'node:path'
import { isHere } from '../lib/call.ts'
import type { KmsSlot } from '../records/definition-fields.ts'
import { pkcs11Flaw, pkcs11Material, pkcs11Place, pkcs11Token } from './pkcs11-name.ts'

/** A provider, as far as the names of its keys tell: no SDK is loaded, and nobody is asked. */
interface ProviderRow {
  /** A key's name, after `PROVIDER:`. It names one key: no alias, which its owner could point elsewhere. */
  readonly form: RegExp
  /** Why a name of that form is none, where a form does not tell it. */
  flaw?(key: string): string | undefined
  readonly example: string
  /** One line for cards, screens and bundles, where no key of this provider is better protected; else null. */
  readonly protection: string | null
  /** A site may make such a key; else its administrators do, and a site only names it. */
  readonly siteMakes: boolean
  /** Packages that it takes, besides those that every site loads. */
  readonly packages: readonly string[]
  /** The host or token that the name states, to which credentials go; null: none, or a host of the provider's own. */
  host?(key: string): string | null
  /** The region that the name states. */
  region(key: string): string | null
  /** The account that the name states, as people call it: whoever administers that one can let anybody use the key. */
  account(key: string): string | null
  /** The same for all names of one key, where a key has several. */
  material?(key: string): string
}

/** A host that is none of the provider's own. */
const foreignTo = (own: RegExp, host = ''): string | null => (host === '' || own.test(host) ? null : host)

/** Without a port that need not be written, and without the dot at the end of a host. */
const plain = (url: string): string => {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host.replace(/\.(?=:|$)/, '')}${pathname}`
}

export const providerTable = {
  local: {
    form: /^.+$/,
    example: '/path/outside/the/home/site.key',
    protection: 'local: no hardware protection',
    siteMakes: true,
    packages: [],
    // One file by one path: of `//`, `/./` and `/../` too.
    material: (key) => posix.normalize(key).replace(/^\/\//, '/'),
    region: () => null,
    account: () => null,
  },
  'aws-kms': {
    form: /^arn:aws(?:-[a-z]+)*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]{1,64}$/,
    example: 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
    protection: null,
    siteMakes: false,
    packages: ['@aws-sdk/client-kms'],
    region: (key) => key.split(':')[3] ?? null,
    account: (key) => `AWS account ${key.split(':')[4]}`,
    // Replicas of a multi-Region key: each opens what any of them sealed.
    material: (key) => key.toLowerCase().replace(/:kms:[^:]+:(\d+:key\/mrk-)/, ':kms:*:$1'),
  },
  'gcp-kms': {
    // The full resource name, where a regional endpoint is to keep the request in its region.
    form: /^(?:\/\/[a-z0-9][a-z0-9.-]*(?::\d{1,5})?\/)?projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+(?:\/cryptoKeyVersions\/[1-9]\d*)?$/,
    example: 'projects/custody/locations/europe-west3/keyRings/quorate/cryptoKeys/site-eu',
    protection: null,
    siteMakes: false,
    packages: ['@google-cloud/kms'],
    host: (key) => foreignTo(/(?:^|\.)googleapis\.com$/, /^\/\/([^/]+)/.exec(key)?.[1]),
    // A regional endpoint is another way to the same key, and a version opens what the key sealed.
    material: (key) => key.replace(/^\/\/[^/]+\//, '').replace(/\/cryptoKeyVersions\/\d+$/, ''),
    region: (key) => /\/locations\/([^/]+)\//.exec(key)?.[1] ?? null,
    account: (key) => `Google project ${/projects\/([^/]+)\//.exec(key)?.[1]}`,
  },
  'azure-kv': {
    form: /^https:\/\/[a-z0-9][a-z0-9.-]*(?::\d{1,5})?\/keys\/[A-Za-z0-9-]{1,127}\/[0-9a-f]{32}$/,
    example: 'https://custody-eu.vault.azure.net/keys/quorate/0123456789abcdef0123456789abcdef',
    protection: null,
    siteMakes: false,
    packages: ['@azure/identity', '@azure/keyvault-keys'],
    host: (key) => foreignTo(/\.(?:vault|managedhsm)\.azure\.net$/, new URL(key).host),
    // Names have no case there.
    material: (key) => plain(key).toLowerCase(),
    region: () => null,
    account: (key) => `vault ${new URL(plain(key)).host.toLowerCase()}`,
  },
  transit: {
    // In plain HTTP only to this machine: the token travels with each request.
    form: /^(?:https:\/\/[a-z0-9][a-z0-9.-]*|http:\/\/(?:127\.0\.0\.1|localhost|\[::1\]))(?::\d{1,5})?(?:\/[A-Za-z0-9_-][A-Za-z0-9_.-]*){2,8}$/,
    example: 'https://bao.example.org:8200/transit/quorate-eu',
    protection: null,
    siteMakes: false,
    packages: [],
    host: (key) => new URL(key).host,
    material: (key) => plain(key),
    region: () => null,
    // On the machine itself each site has one of its own.
    account: (key) => (isHere(new URL(key).hostname) ? null : `server ${new URL(plain(key)).host.toLowerCase()}`),
  },
  pkcs11: {
    form: /^[!-~]+$/,
    flaw: pkcs11Flaw,
    example: 'token=region-eu;object=quorate;type=secret-key?module-path=/usr/lib/softhsm/libsofthsm2.so',
    protection: null,
    siteMakes: false,
    packages: ['pkcs11js'],
    host: pkcs11Place,
    material: pkcs11Material,
    region: () => null,
    // Labels are chosen: only a serial number tells one token from another.
    account: (key) => (/[;?]serial=|^serial=/.test(key) ? pkcs11Token(key) : null),
  },
} as const satisfies Readonly<Record<string, ProviderRow>>

export type ProviderName = keyof typeof providerTable

export const providerNames = Object.keys(providerTable) as readonly ProviderName[]

export const providerRow = (name: string): ProviderRow | undefined =>
  Object.hasOwn(providerTable, name) ? providerTable[name as ProviderName] : undefined

/** A host and a port that can be, where a name states them: the SDKs take others for no answer, or end in a fault of their own. */
const hasPlace = (key: string): boolean => {
  const place = /^(?:https?:)?\/\/[^/]+/.exec(key)?.[0]
  return place === undefined || URL.canParse(place.startsWith('//') ? `https:${place}` : place)
}

/** The row of a key whose name is one; a definition may name others. */
export const rowOf = ({ provider, key }: KmsSlot): ProviderRow | undefined => {
  const row = providerRow(provider)
  if (row?.form.test(key) !== true || row.flaw?.(key) !== undefined) return undefined
  // The path of a file may begin with two slashes, too.
  return row.host === undefined || hasPlace(key) ? row : undefined
}

/** A key that a site cannot make is not asked for either, when a home is made. */
export const siteMakes = ({ provider }: KmsSlot): boolean => providerRow(provider)?.siteMakes === true

export const sdkPackages = (provider: string): readonly string[] => providerRow(provider)?.packages ?? []

export const regionOf = (slot: KmsSlot): string | null => rowOf(slot)?.region(slot.key) ?? null

/** Null where the name states none: of a file, the sites say themselves who has it. */
export const holderOf = (slot: KmsSlot): string | null => rowOf(slot)?.account(slot.key) ?? null

/** Equal for two slots whose keys open the same, as far as their names tell. */
export const materialOf = (slot: KmsSlot): string => `${slot.provider}:${rowOf(slot)?.material?.(slot.key) ?? slot.key}`

/** The host or token to which a site's credentials go if it uses this key; null: a host of the provider's own, or none. */
export const hostOf = (slot: KmsSlot): string | null => rowOf(slot)?.host?.(slot.key) ?? null

/** Null where the provider protects each key in its own way. */
export const protectionOf = ({ provider }: Pick<KmsSlot, 'provider'>): string | null =>
  providerRow(provider)?.protection ?? null
