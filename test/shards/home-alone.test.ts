import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRoot, withRoot } from '../../src/host/disk.ts'
import { systemRandom } from '../../src/host/random.ts'
import { createHome, openHome } from '../../src/identity/home.ts'
import { ensureKmsKey, openKmsKey } from '../../src/kms/registry.ts'
import type { Hash, Index } from '../../src/lib/brand.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { type Outcome, outcomeCodec } from '../../src/records/outcome.ts'
import { envelopeHash } from '../../src/records/sealed-shard.ts'
import { sealShard } from '../../src/shards/seal.ts'
import { shardStore } from '../../src/shards/store.ts'
import { siteOptions } from '../support/home.ts'

const made: Outcome = {
  ceremony: 'aa'.repeat(32) as Hash,
  attempt: 'bb'.repeat(32) as Hash,
  transcript: 'cc'.repeat(32) as Hash,
  protocol: 'frost-ed25519',
  threshold: 2,
  publicKey: 'dd'.repeat(32),
  verifyingShares: ['cd'.repeat(32), 'ce'.repeat(32), 'cf'.repeat(32)],
  base: null,
}
const key = hashOf(outcomeCodec.encode(made))
let base: string
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'quorate thief '))
})
afterEach(() => rm(base, { recursive: true }))

describe('a home alone', () => {
  it('opens nothing: neither its bytes nor another key give the share', async () => {
    const slot = { provider: 'local', key: join(base, 'elsewhere', 'eu.key') }
    const root = join(base, 'home')
    const context = { home: root, random: systemRandom }
    const disk = await withRoot(root, async (made) => made)
    const home = await createHome(disk, { ...siteOptions('eu'), kms: [slot] }, systemRandom)
    await ensureKmsKey(slot, context)
    const share = systemRandom(32)
    const sealed = await sealShard({
      core: {
        kind: 'keygen',
        key,
        protocol: 'frost-ed25519',
        epoch: 1,
        index: 1 as Index,
        threshold: 2,
        sites: 3,
        verifyingShare: 'cd'.repeat(32),
        outcome: key,
        jurisdiction: 'EU',
        access: 'one-key',
      },
      share: new Secret(share.slice()),
      keys: [await openKmsKey(slot, context)],
      random: systemRandom,
    })
    await shardStore(home.disk).stage(sealed, made)
    await disk.close()
    const [keyFile] = await readdir(join(base, 'elsewhere'))
    const kmsKey = JSON.parse(await readFile(join(base, 'elsewhere', keyFile as string), 'utf8')) as {
      versions: { key: string }[]
    }
    await rm(join(base, 'elsewhere'), { recursive: true })

    const secrets = [Buffer.from(share), Buffer.from(kmsKey.versions[0]?.key ?? '', 'hex')]
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const bytes = await readFile(join(entry.parentPath, entry.name))
      for (const secret of secrets)
        for (const form of [
          secret,
          Buffer.from(secret).reverse(),
          ...(['hex', 'base64', 'base64url', 'latin1'] as const).map((encoding) =>
            Buffer.from(secret.toString(encoding)),
          ),
          Buffer.from(BigInt(`0x${secret.toString('hex')}`).toString()),
        ])
          expect(bytes.includes(form)).toBe(false)
    }

    const thief = await openHome(await openRoot(root))
    const store = shardStore(thief.disk)
    expect(await store.list()).toHaveLength(1)
    const [stolen] = (await thief.card()).kms
    await expect(openKmsKey(stolen ?? slot, context)).rejects.toMatchObject({ code: 'E_KMS_UNAVAILABLE' })
    await ensureKmsKey(slot, context)
    await expect(store.reopen(key, key, envelopeHash(sealed), [await openKmsKey(slot, context)])).rejects.toMatchObject(
      { code: 'E_KMS_DENIED' },
    )
  })
})
