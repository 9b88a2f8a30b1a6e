/** A kind of store, as far as the names of its stores tell: no SDK is loaded, and nobody is asked. */
interface StoreRow {
  /** A store's name, whole. Credentials have no place in it. */
  readonly form: RegExp
  readonly example: string
  /** Packages that it takes, besides those that every site loads. */
  readonly packages: readonly string[]
  /** The region that the name states. */
  region(uri: string): string | null
  /** The host that the name states, to which credentials go; null: none, or one of the provider's own. */
  host(uri: string): string | null
}

/** Folders of objects below a bucket. */
const PREFIX = '(?:/[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?){0,8}'
const HERE = '(?:127\\.0\\.0\\.1|localhost|\\[::1\\])'
const AZURE = /\.blob\.core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)$/

export const storeTable = {
  file: {
    // In one way alone: no empty part, no dots, no end in a slash, nothing that a screen would not show.
    form: /^file:(?:\/(?!\.{1,2}(?:\/|$))[^/\p{C}\p{Zl}\p{Zp}]{1,255}){1,32}$/u,
    example: 'file:/mnt/replica/quorate',
    packages: [],
    region: () => null,
    host: () => null,
  },
  s3: {
    form: new RegExp(
      `^s3://(?!\\d+\\.\\d+\\.\\d+\\.\\d+[/?])(?!xn--)[a-z0-9](?:[a-z0-9-]|\\.(?![.-])){1,61}[a-z0-9]${PREFIX}\\?region=[a-z0-9]+(?:-[a-z0-9]+){0,4}$`,
    ),
    example: 's3://custody-eu/quorate?region=eu-central-1',
    packages: ['@aws-sdk/client-s3'],
    region: (uri) => uri.split('?region=')[1] ?? null,
    // Another endpoint than the region's own is the operator's word, in the environment.
    host: () => null,
  },
  gs: {
    form: new RegExp(`^gs://(?!goog)[a-z0-9](?:[a-z0-9_-]|\\.(?!\\.)){1,61}[a-z0-9]${PREFIX}$`),
    example: 'gs://custody-us/quorate',
    packages: ['@google-cloud/storage'],
    region: () => null,
    host: () => null,
  },
  azblob: {
    // In plain HTTP only to this machine, where an emulator is, which has the account in the path.
    form: new RegExp(
      `^azblob:(?:https://(?!${HERE}[:/])[a-z0-9][a-z0-9.-]*(?::\\d{1,5})?|https?://${HERE}(?::\\d{1,5})?/[a-z0-9]{3,24})/[a-z0-9](?:-?[a-z0-9]){2,62}${PREFIX}$`,
    ),
    example: 'azblob:https://custodyap.blob.core.windows.net/shards/quorate',
    packages: ['@azure/identity', '@azure/storage-blob'],
    region: () => null,
    host: (uri) => {
      const { host } = new URL(uri.slice('azblob:'.length))
      return AZURE.test(host) ? null : host
    },
  },
} as const satisfies Readonly<Record<string, StoreRow>>

export type StoreScheme = keyof typeof storeTable

/** The home's own disk, on which the shard lies in any case: no store to open. */
export const HOME_STORE = 'home'

export const storeSchemes = Object.keys(storeTable) as readonly StoreScheme[]

const hasHost = (uri: string): boolean => !uri.startsWith('azblob:') || URL.canParse(uri.slice('azblob:'.length))

/** The kind of a store whose name is one; a card may hold other texts. */
export const schemeOf = (text: string): StoreScheme | undefined => {
  const scheme = storeSchemes.find((one) => text.startsWith(`${one}:`))
  return scheme !== undefined && text.length <= 512 && storeTable[scheme].form.test(text) && hasHost(text)
    ? scheme
    : undefined
}

export const regionOfStore = (text: string): string | null => {
  const scheme = schemeOf(text)
  return scheme === undefined ? null : storeTable[scheme].region(text)
}

/** The host to which a site's credentials go if it uses this store; null: one of the provider's own, or none. */
export const hostOfStore = (text: string): string | null => {
  const scheme = schemeOf(text)
  return scheme === undefined ? null : storeTable[scheme].host(text)
}
