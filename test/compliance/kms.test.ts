import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureKmsKey, openKmsKey } from '../../src/kms/registry.ts'
import { memoryKms } from '../support/kms.ts'
import { seededRandom } from '../support/random.ts'
import { kmsComplies } from './kms.ts'

kmsComplies('a local key', async () => {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'quorate kms ')))
  await mkdir(join(base, 'home'))
  const machine = { home: join(base, 'home'), random: seededRandom('kms') }
  const one = async (name: string) => {
    const slot = { provider: 'local', key: join(base, 'keys', `${name}.key`) }
    await ensureKmsKey(slot, machine)
    return openKmsKey(slot, machine)
  }
  return {
    open: async () => [await one('eu'), await one('us')] as const,
    refusals: ['E_KMS_DENIED', 'E_KMS_UNAVAILABLE'],
    close: () => rm(base, { recursive: true }),
  }
})

kmsComplies('a key in memory', async () => ({
  open: async () => [memoryKms('eu'), memoryKms('us')] as const,
  refusals: ['E_KMS_DENIED'],
}))
