import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newFolder } from '../e2e/support.ts'

export const MODULE = '/usr/lib/softhsm/libsofthsm2.so'
export const PIN = '271828'

/** Attributes of a key that quorate takes, as pkcs11-tool sets them. */
const FIT = ['--key-type', 'AES:32', '--sensitive', '--private', '--usage-decrypt']

/** Tokens of SoftHSM in a folder of their own. */
export interface SoftHsm {
  readonly env: Readonly<Record<string, string>>
  /** A token with that label; the PIN is the one above, where none is given. */
  token(label: string, pin?: string): void
  /** A key, by pkcs11-tool: another's hand than the one that is tested. */
  key(token: string, label: string, id: string, options?: readonly string[]): void
  /** Tokens as pkcs11-tool lists them. */
  list(): string
  remove(): void
}

export const startSoftHsm = (labels: readonly string[]): SoftHsm => {
  const folder = newFolder('softhsm')
  const conf = join(folder.path, 'softhsm2.conf')
  mkdirSync(join(folder.path, 'tokens'))
  writeFileSync(conf, `directories.tokendir = ${folder.path}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n`)
  const env = { SOFTHSM2_CONF: conf }
  const run = (tool: string, args: readonly string[]): string =>
    execFileSync(tool, args, { encoding: 'utf8', stdio: 'pipe', env: { PATH: process.env['PATH'], ...env } })
  const tool = (...args: string[]): string => run('pkcs11-tool', ['--module', MODULE, ...args])
  const pins = new Map<string, string>()
  const token = (label: string, pin = PIN): void => {
    pins.set(label, pin)
    run('softhsm2-util', ['--init-token', '--free', '--label', label, '--so-pin', '314159', '--pin', pin])
  }
  for (const label of labels) token(label)
  return {
    env,
    token,
    key: (label, object, id, options = FIT) =>
      void tool(
        ...['--token-label', label, '--login', '--pin', pins.get(label) ?? PIN],
        ...['--keygen', '--label', object, '--id', id, ...options],
      ),
    list: () => tool('--list-slots'),
    remove: folder.remove,
  }
}
