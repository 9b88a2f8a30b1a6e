import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withRoot } from '../src/host/disk.ts'
import { systemRandom } from '../src/host/random.ts'
import { ensureKmsKey, openKmsKey } from '../src/kms/registry.ts'
import type { Hash, Index } from '../src/lib/brand.ts'
import { toHex } from '../src/lib/bytes.ts'
import { hashOf } from '../src/lib/hash.ts'
import { Secret } from '../src/lib/secret.ts'
import { loadScheme } from '../src/mpc/registry.ts'
import { type Outcome, outcomeCodec } from '../src/records/outcome.ts'
import { envelopeHash } from '../src/records/sealed-shard.ts'
import { sealShard } from '../src/shards/seal.ts'
import { shardStore } from '../src/shards/store.ts'
import { type Measurement, measure, type Wanted } from './measure.ts'

const hash = (): Hash => toHex(systemRandom(32)) as Hash

/** Seal under a local KMS key, make durable on this disk, and open again through the KMS: once a site a keygen. */
const stage = async (): Promise<Measurement> => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-bench-'))
  try {
    const disk = await withRoot(join(folder, 'home'), async (made) => made)
    const context = { home: join(folder, 'home'), random: systemRandom }
    const slot = { provider: 'local', key: join(folder, 'site.key') }
    await ensureKmsKey(slot, context)
    const keys = [await openKmsKey(slot, context)]
    const store = shardStore(disk)
    return await measure('stage', 20, async () => {
      const made: Outcome = {
        ceremony: hash(),
        attempt: hash(),
        transcript: hash(),
        protocol: 'frost-ed25519',
        threshold: 2,
        publicKey: toHex(systemRandom(32)),
        verifyingShares: [1, 2, 3].map(() => toHex(systemRandom(32))),
        base: null,
      }
      const key = hashOf(outcomeCodec.encode(made))
      const share = new Secret(systemRandom(32))
      const core = {
        kind: 'keygen',
        key,
        protocol: 'frost-ed25519',
        epoch: 1,
        index: 1 as Index,
        threshold: 2,
        sites: 3,
        verifyingShare: toHex(systemRandom(32)),
        outcome: key,
        jurisdiction: 'EU',
        access: 'one-key',
      } as const
      const sealed = await sealShard({ core, share, keys, random: systemRandom })
      await store.stage(sealed, made)
      const again = await store.reopen(key, key, envelopeHash(sealed), keys)
      again.wipe()
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** One proof of possession made, and three checked: what a site of three does for a record. */
const prove = async (): Promise<Measurement> => {
  const { provePossession, verifyPossession } = await loadScheme('frost-ed25519')
  const { ed25519 } = await import('@noble/curves/ed25519.js')
  const scalar = ed25519.Point.Fn.create(BigInt(`0x${toHex(systemRandom(31))}`))
  const share = new Secret(ed25519.Point.Fn.toBytes(scalar))
  const verifyingShare = ed25519.Point.BASE.multiply(scalar).toBytes()
  const context = hash()
  return measure('prove', 50, () => {
    const proof = provePossession(share, 1 as Index, context, systemRandom)
    for (let site = 0; site < 3; site++)
      if (!verifyPossession(verifyingShare, 1 as Index, context, proof)) throw new Error('a proof that does not hold')
  })
}

export default async (wanted: Wanted): Promise<Measurement[]> => [
  ...(wanted('stage') ? [await stage()] : []),
  ...(wanted('prove') ? [await prove()] : []),
]
