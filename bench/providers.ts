import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandom } from '../src/host/random.ts'
import type { KmsKey } from '../src/kms/port.ts'
import { ensureKmsKey, openKmsKey } from '../src/kms/registry.ts'
import type { Hash } from '../src/lib/brand.ts'
import { Secret } from '../src/lib/secret.ts'
import { newAuthority } from '../test/counterparts/authority.ts'
import { startAzureKv } from '../test/counterparts/azure-kv.ts'
import { startGcpKms } from '../test/counterparts/gcp-kms.ts'
import { startKeysProcess } from '../test/counterparts/keys-process.ts'
import { type Measurement, measure, type Wanted } from './measure.ts'

interface Provider {
  readonly provider: string
  readonly key: string
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

const start: Readonly<Record<string, () => Promise<Provider>>> = {
  'gcp-kms': async () => {
    const authority = newAuthority()
    const server = await startGcpKms(authority)
    const stop = () => server.stop().then(() => authority.remove())
    return { provider: 'gcp-kms', key: server.make('bench'), env: server.env, stop }
  },
  'azure-kv': async () => {
    const authority = newAuthority()
    const server = await startAzureKv(authority)
    const stop = () => server.stop().then(() => authority.remove())
    return { provider: 'azure-kv', key: server.make('bench', 'quorate'), env: server.env, stop }
  },
}

const CONTEXT = 'ab'.repeat(32) as Hash

const wrapAndUnwrap = async (name: string, wanted: Wanted, kms: KmsKey): Promise<Measurement[]> => {
  const piece = new Secret(systemRandom(32))
  const wrapped = await kms.wrap(piece, CONTEXT)
  return [
    ...(wanted(`wrap/${name}`) ? [await measure(`wrap/${name}`, 50, () => kms.wrap(piece, CONTEXT))] : []),
    ...(wanted(`unwrap/${name}`)
      ? [await measure(`unwrap/${name}`, 50, async () => (await kms.unwrap(wrapped, CONTEXT)).wipe())]
      : []),
  ]
}

/** Of a file, by this process. */
const local = async (wanted: Wanted): Promise<Measurement[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-bench-'))
  try {
    const slot = { provider: 'local', key: join(folder, 'site.key') }
    const context = { home: join(folder, 'home'), random: systemRandom }
    await ensureKmsKey(slot, context)
    return await wrapAndUnwrap('local', wanted, await openKmsKey(slot, context))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Of a cloud: by a process of its own, as a site would, over TLS to a server on this machine. */
const remote = async (name: string, wanted: Wanted, begin: () => Promise<Provider>): Promise<Measurement[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-bench-'))
  const { provider, key, env, stop } = await begin()
  const child = await startKeysProcess({ HOME: folder, ...env })
  try {
    return await wrapAndUnwrap(name, wanted, await child.open({ provider, key }))
  } finally {
    await child.end()
    await stop()
    rmSync(folder, { recursive: true })
  }
}

/** A data key wrapped and unwrapped: once a slot when a share is sealed, and once when it is opened. */
export default async (wanted: Wanted): Promise<Measurement[]> => {
  const isWanted = (name: string): boolean => wanted(`wrap/${name}`) || wanted(`unwrap/${name}`)
  const all = isWanted('local') ? await local(wanted) : []
  for (const [name, begin] of Object.entries(start))
    if (isWanted(name)) all.push(...(await remote(name, wanted, begin)))
  return all
}
