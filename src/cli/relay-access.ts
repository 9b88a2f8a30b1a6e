import { X509Certificate } from 'node:crypto'
import { QuorateError } from '../lib/errors.ts'
import type { Definition } from '../records/definition.ts'
import type { RelayAccess } from '../site/home-session.ts'
import { readTextFile } from './files.ts'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

/** TLS passes over what it cannot read, and then the fault would be told as one of the relay. */
const isAuthority = (pem: string): boolean => {
  const found = pem.match(CERTIFICATE) ?? []
  try {
    return found.map((one) => new X509Certificate(one)).length > 0
  } catch {
    return false
  }
}

/** The authority that --relay-ca names. Throws E_FILE where it holds no certificate. */
export const relayAccess = async (flags: { readonly 'relay-ca'?: string | undefined }): Promise<RelayAccess> => {
  const path = flags['relay-ca']
  if (path === undefined) return {}
  const relayCa = await readTextFile(path)
  if (isAuthority(relayCa)) return { relayCa }
  throw new QuorateError('E_FILE', `${path} holds no certificate`, 'give the PEM file of the authority')
}

const PROXY = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy']

/** One line where the environment names a proxy and a relay would be reached through one: the way to relays is direct. */
export const proxyWarning = (
  { relays }: Pick<Definition, 'relays'>,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined => {
  const named = PROXY.find((name) => (env[name] ?? '') !== '')
  if (named === undefined || relays.every(({ url }) => url.startsWith('ws:'))) return undefined
  return `${named} is ignored: relays are reached directly`
}
