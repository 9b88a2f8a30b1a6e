import { openRoot } from '../host/disk.ts'
import { rawSigner } from '../identity/ed25519.ts'
import { openHome } from '../identity/home.ts'
import { identityOf, parseIdentity } from '../identity/identity.ts'
import { identityKey } from '../identity/identity-key.ts'
import type { Identity, SiteId } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import type { Signer } from '../records/signed.ts'
import { defaultLimits, type Limits } from '../transport/relay/limits.ts'
import { type Relay, type RelayEvent, type RelayTls, startRelay } from '../transport/relay/server.ts'
import { firstRandom, machine } from './machine.ts'
import { readCertificate, renewCertificate } from './relay-certificate.ts'

interface RelayWanted {
  readonly host: string
  readonly port: number
  /** Reads certificate and key, now and again. */
  readonly tls: (() => Promise<RelayTls>) | undefined
  readonly behindProxy: boolean
  /** A relay's home; without one the relay is a new one at every start. */
  readonly home: string | undefined
  readonly passphrase: () => Promise<Secret>
  readonly allow: readonly string[]
  /** NAME=VALUE */
  readonly limits: readonly string[]
  readonly stop: AbortSignal
  readonly onEvent: (event: RelayEvent) => void
}

/** Where a relay listens; `address` is what a definition takes: the URL and, after #, the identity. */
export interface RelayShown {
  readonly url: string
  readonly identity: Identity
  readonly address: string
  readonly process: number
}

const usage = (message: string, hint: string): QuorateError => new QuorateError('E_USAGE', message, hint)

const signerOf = async ({ home: folder, passphrase }: RelayWanted): Promise<Signer> => {
  if (folder === undefined) {
    const seed = new Secret(firstRandom('')(32))
    const identity = identityOf('relay', rawSigner(seed).key)
    return identityKey(identity, 'relay' as SiteId, seed).signer
  }
  const home = await openHome(await openRoot(folder))
  if (home.role !== 'relay')
    throw usage(`this home is not a relay's`, 'make one with quorate identity create --role relay')
  return (await home.unlock(home.locked ? await passphrase() : undefined)).signer
}

const allowed = (identities: readonly string[]): ReadonlySet<Identity> => {
  for (const [n, text] of identities.entries())
    if (parseIdentity(text) === undefined)
      throw usage(`--allow number ${n + 1} is not an identity`, 'write qsite1… or qapprover1…')
  return new Set(identities as readonly Identity[])
}

const limitsOf = (given: readonly string[]): Partial<Limits> =>
  Object.fromEntries(
    given.map((text) => {
      const [, name = '', value = ''] = /^([A-Za-z]+)=([1-9]\d{0,11})$/.exec(text) ?? []
      if (!Object.hasOwn(defaultLimits, name))
        throw usage('--limit is not NAME=NUMBER', `the names are ${Object.keys(defaultLimits).join(', ')}`)
      return [name, Number(value)]
    }),
  )

/** Listens until `close`. Throws E_USAGE for plain ws beyond this machine and no proxy, E_RELAY where it cannot listen. */
export const serveRelay = async (wanted: RelayWanted): Promise<{ shown: RelayShown; relay: Relay }> => {
  const tls = wanted.tls && (await readCertificate(wanted.tls))
  const relay = await startRelay({
    host: wanted.host,
    port: wanted.port,
    ...(tls === undefined ? {} : { tls }),
    behindProxy: wanted.behindProxy,
    signer: await signerOf(wanted),
    limits: limitsOf(wanted.limits),
    ...(wanted.allow.length === 0 ? {} : { allow: allowed(wanted.allow) }),
    clock: machine.clock,
    random: machine.random,
    onEvent: wanted.onEvent,
  })
  const { url, identity } = relay
  if (tls !== undefined && wanted.tls !== undefined)
    void renewCertificate(relay, tls, wanted.tls, wanted.onEvent, machine.clock, wanted.stop)
  return { shown: { url, identity, address: `${url}#${identity}`, process: process.pid }, relay }
}
