import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What `openssl pkeyutl` says of an Ed25519 signature. */
export const opensslVerifies = (pem: string, message: Uint8Array, signature: Uint8Array): boolean => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-openssl-'))
  const file = (name: string, bytes: string | Uint8Array): string => {
    writeFileSync(join(folder, name), bytes)
    return join(folder, name)
  }
  const args = [
    '-inkey',
    file('key.pem', pem),
    '-in',
    file('message', message),
    '-sigfile',
    file('signature', signature),
  ]
  try {
    execFileSync('openssl', ['pkeyutl', '-verify', '-pubin', '-rawin', ...args], { stdio: 'pipe' })
    return true
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true })
  }
}
