import { beforeAll, describe, expect, it } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import type { ReconstructDefinition } from '../../src/records/kinds/reconstruct.ts'
import { openKeyFile } from '../../src/site/open-key.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { type MemoryWorld, memoryWorld } from '../support/memory-site.ts'
import { identityFile } from '../support/recipients.ts'
import { approversApprove, reconstructOf } from '../support/reconstructs.ts'
import { joinSites } from '../support/reshares.ts'

const names = ['eu', 'us', 'ap']

const bytesOf = async (world: MemoryWorld, name: string, path: string | null) =>
  (await world.homes.get(name)?.disk.read(path ?? '')) ?? expect.fail(`no bundle at ${name}`)

const opened = (bundle: Uint8Array, identity: string) =>
  openKeyFile({
    bundle: (async function* () {
      yield bundle
    })(),
    identity: identityFile(identity),
    trust: undefined,
    trustStated: true,
  })

describe('a key that is given away', () => {
  let world: MemoryWorld
  let definition: ReconstructDefinition
  let bundle: Uint8Array

  beforeAll(async () => {
    world = await memoryWorld(names)
    const keygen = await keygenDefinition({ sites: await siteEntries(names) })
    for (const end of await joinSites(world, names, keygen)) if (end.status === 'rejected') throw end.reason
    definition = await reconstructOf(world, keygen)
    await approversApprove(world, names, definition)
    const ends = await joinSites(world, names, definition)
    const hashes = new Set<string>()
    for (const [at, end] of ends.entries()) {
      if (end.status === 'rejected') throw end.reason
      expect(end.value).toMatchObject({ state: 'closed', open: [], key: { id: definition.key } })
      bundle = await bytesOf(world, names[at] as string, end.value.bundle)
      hashes.add(hashOf(bundle))
    }
    expect(hashes.size).toBe(1)
  })

  it('says so in its bundle, and every check holds', async () => {
    const report = await verifyBundle(await open(bundle), { trust: 'stated', evidence: protocolEvidence })
    expect(report.checks.filter(({ id, verdict }) => verdict !== 'holds' && id !== 'time.stamped')).toEqual([])
    expect(report).toMatchObject({
      verdict: 'valid',
      bundle: { kind: 'reconstruct', state: 'made' },
      reconstructed: [
        { reason: 'the vendor is gone', by: [...names].sort(), recipients: [{ name: 'counsel' }, {}, {}] },
      ],
    })
  })

  it.each(['age.txt', 'p256.key', 'rsa.key'])('opens with the identity of each recipient: %s', async (file) => {
    const key = await opened(bundle, file)
    expect(key.pieces.map(({ verdict }) => verdict)).toEqual(['holds', 'holds', 'holds'])
    const { group } = suiteOf('frost-ed25519')
    const scalar = group.field.decode(key.secret.reveal()) ?? expect.fail()
    expect(toHex(group.encode(group.timesBase(scalar)))).toBe(definition.from.publicKey)
  })
})
