import { beforeAll, describe, expect, it } from 'vitest'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import { suspendedIn } from '../../src/ceremony/epoch/suspended.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import type { Progress } from '../../src/ceremony/progress.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { suspensionCodec } from '../../src/records/suspension.ts'
import { noteSuspension } from '../../src/site/suspend.ts'
import { type RefreshedChain, refreshedChain } from '../support/bundles.ts'
import { refreshDefinition, signDefinition } from '../support/definition.ts'
import { approveIn, memorySite } from '../support/memory-site.ts'
import { joinSites, newestAt, recordHashOf } from '../support/reshares.ts'

let chain: RefreshedChain
let key: Hash
let base: Hash
beforeAll(async () => {
  chain = await refreshedChain()
  const newest = await newestAt(chain.world, 'eu')
  key = newest.key
  base = recordHashOf(newest)
})

const word = (site: Pick<Site, 'ledger'>, suspended: boolean, of: Hash = key) =>
  noteSuspension(site as never, { key: of, reason: suspended ? 'broken into' : 'all is well', suspended })

const signing = async (text: string) => {
  const message = utf8(text)
  const definition = await signDefinition({
    sites: chain.keygen.sites,
    key,
    base,
    deadlines: { gather: 60, proposal: 5, round: 20, close: 20 },
    nonce: hashOf(message).slice(0, 32),
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    signers: ['eu', 'us'] as never,
  })
  return { message, definition }
}

describe('a site that suspended a key', () => {
  it('signs nothing with it, nor deals in a rotation of it, until it resumed it; its reasons stand in its ledger', async () => {
    const site = await memorySite(chain.world, 'eu')
    await word(site, true)
    await word(site, true)
    const refused = { reason: { code: 'E_NOT_ALLOWED', message: expect.stringContaining('broken into') } }
    const { message, definition } = await signing('suspended')
    expect((await joinSites(chain.world, ['eu'], definition, message))[0]).toMatchObject(refused)
    const { sites } = chain.keygen
    const refresh = await refreshDefinition({ sites, key, base, epoch: 3, nonce: '11'.repeat(16) })
    expect((await joinSites(chain.world, ['eu'], refresh))[0]).toMatchObject(refused)
    await word(await memorySite(chain.world, 'eu'), false)
    const words = [...(await memorySite(chain.world, 'eu')).ledger.replay()].flatMap(({ what, object }) =>
      what === 'suspended' || what === 'resumed' ? [[what, object]] : [],
    )
    const body = (reason: string) => hashOf(suspensionCodec.encode({ key, reason }))
    expect(words).toEqual([
      ['suspended', body('broken into')],
      ['resumed', body('all is well')],
    ])
    const after = await signing('resumed')
    for (const end of await joinSites(chain.world, ['eu', 'us'], after.definition, after.message))
      expect(end).toMatchObject({ status: 'fulfilled', value: { state: 'closed', open: [] } })
  })

  it('says nothing more in a session that it is in, and the others make no signature', async () => {
    const { world } = chain
    const { message, definition } = await signing('in the middle')
    for (const name of ['eu', 'us']) await approveIn(world, name, definition)
    const sites = new Map(await Promise.all(['eu', 'us'].map(async (n) => [n, await memorySite(world, n)] as const)))
    const eu = sites.get('eu') ?? expect.fail()
    let suspending: Promise<unknown> | undefined
    const ends = await Promise.allSettled(
      [...sites].map(([name, site]) =>
        joinCeremony(site, definition, {
          progress: (event) => {
            if (name === 'eu' && event.phase === 'round' && event.round === 'commitments') suspending ??= word(eu, true)
          },
          signal: new AbortController().signal,
          message,
          check: false,
        }),
      ),
    )
    await suspending
    expect(suspendedIn(eu.ledger).get(key)?.reason).toBe('broken into')
    expect(ends).toMatchObject([{ reason: { code: 'E_NOT_ALLOWED' } }, { reason: { code: 'E_PEER_SILENT' } }])
  })

  it.each([
    [
      'in the middle of a rotation',
      'staged',
      (event: Progress) => event.phase === 'round' && event.round === 'commitments',
    ],
    ['right before its vote', 'ready', (event: Progress) => event.phase === 'step' && event.step === 'proven'],
  ] as const)('deals and votes no further %s, and nothing of the key has changed', async (name, never, isMoment) => {
    const { world, keygen } = await refreshedChain()
    const newest = await newestAt(world, 'eu')
    const base = recordHashOf(newest)
    const deadlines = { gather: 60, proposal: 5, round: 20, close: 20 }
    const nonce = hashOf(utf8(name)).slice(0, 32)
    const definition = await refreshDefinition({
      sites: keygen.sites,
      key: newest.key,
      base,
      epoch: 3,
      nonce,
      deadlines,
    })
    const names = ['eu', 'us', 'ap']
    for (const one of names) await approveIn(world, one, definition)
    const sites = await Promise.all(names.map((one) => memorySite(world, one)))
    const [eu] = sites as [Site]
    let suspending: Promise<unknown> | undefined
    const ends = await Promise.allSettled(
      sites.map((site) =>
        joinCeremony(site, definition, {
          progress: (event) => {
            if (site === eu && isMoment(event)) suspending ??= word(eu, true, newest.key)
          },
          signal: new AbortController().signal,
          message: null,
          check: false,
        }),
      ),
    )
    await suspending
    expect(ends[0]).toMatchObject({ reason: { code: 'E_NOT_ALLOWED' } })
    for (const end of ends) expect(end.status).toBe('rejected')
    for (const one of names) expect(recordHashOf(await newestAt(world, one))).toBe(base)
    const log = await eu.ceremonyLog(ceremonyId(definition))
    expect([...log.replay()].some(({ what, site }) => what === never && site === 'eu')).toBe(false)
  })

  it('is no other key’s concern', async () => {
    const site = await memorySite(chain.world, 'us')
    await word(site, true, 'ab'.repeat(32) as Hash)
    expect([...suspendedIn(site.ledger).keys()]).toEqual(['ab'.repeat(32)])
    await expect(newestAt(chain.world, 'us')).resolves.toBeDefined()
  })
})
