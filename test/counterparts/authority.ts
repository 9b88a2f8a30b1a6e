import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate authority of the test, and a server certificate by it. */
export interface Authority {
  readonly folder: string
  /** Path of the authority's certificate. */
  readonly ca: string
  readonly tls: { readonly key: Buffer; readonly cert: Buffer }
  remove(): void
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const

/** For localhost and the vaults below vault.localhost. */
export const newAuthority = (): Authority => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-authority-'))
  const path = (name: string): string => join(folder, name)
  const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' })
  // biome-ignore format: one option a word
  openssl('req', '-x509', ...EC, '-keyout', path('ca.key'), '-out', path('ca.pem'), '-days', '2',
    '-subj', '/CN=authority of a test', '-addext', 'keyUsage=critical,keyCertSign')
  openssl('req', ...EC, '-keyout', path('server.key'), '-out', path('server.csr'), '-subj', '/CN=localhost')
  writeFileSync(path('names'), 'subjectAltName=DNS:localhost,DNS:*.vault.localhost\nextendedKeyUsage=serverAuth\n')
  // biome-ignore format: one option a word
  openssl('x509', '-req', '-in', path('server.csr'), '-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial',
    '-days', '2', '-extfile', path('names'), '-out', path('server.pem'))
  return {
    folder,
    ca: path('ca.pem'),
    tls: { key: readFileSync(path('server.key')), cert: readFileSync(path('server.pem')) },
    remove: () => rmSync(folder, { recursive: true }),
  }
}
