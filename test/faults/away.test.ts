import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Hash } from '../../src/lib/brand.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { listKeys, showKey } from '../../src/site/keys.ts'
import { planReconstruction } from '../../src/site/plan-reconstruct.ts'
import { planRotation } from '../../src/site/planning.ts'
import type { Relay } from '../../src/transport/relay/server.ts'
import { built } from '../support/cli.ts'
import { relayOn } from '../transport/relay-support.ts'
import {
  approveIn,
  approversApproveIn,
  cardOf,
  makeApprover,
  makeHomes,
  planKeygenIn,
  planOfKeyIn,
  planSignIn,
  type RealHomes,
} from './homes.ts'
import { joinAs, joinCalmly } from './kill.ts'
import { spawnQuorate } from './spawned.ts'

const deadlines = { gather: 15, proposal: 4, round: 8, close: 8 }
const names = ['eu', 'us', 'ap']
const holders = ['eu', 'us', 'sa']
const away = (phase: string) => [{ name: 'ap', phase }]
const reshare = { kind: 'reshare', topic: 'rotate' } as const
const sign = { kind: 'sign', topic: 'sign' } as const
const reconstruct = { kind: 'reconstruct', topic: 'recover' } as const
const approvers = ['n1', 'n2']
const age = fileURLToPath(new URL('../support/recipients/age.txt', import.meta.url))

describe('a site that was away while its key was handed on without it', () => {
  let homes: RealHomes & { readonly root: string }
  let relay: Relay
  let key: Hash
  let handover: Definition

  beforeAll(async () => {
    await built()
    relay = await relayOn({})
    homes = await makeHomes([...names, 'sa'])
    await planKeygenIn(homes, names, [relay.url], deadlines)
    await joinCalmly(homes, { kind: 'keygen', topic: 'keygen' }, names)
    const [made = expect.fail('no key')] = (await listKeys(homes.home('eu'))).keys
    key = made.key
    // Planned and approved before; nobody has joined it.
    await planSignIn(homes, ['us', 'ap'], key, [relay.url], deadlines)
    const identities = await Promise.all(approvers.map((name) => makeApprover(homes, name)))
    const [recipient] = /age1\S+/.exec(await readFile(age, 'utf8')) ?? []
    const of = { recipients: [`counsel=${recipient}`], reason: 'the vendor is gone', without: [] }
    const glass = await planOfKeyIn(homes, names, key, [relay.url], deadlines, (flags) =>
      planReconstruction({ ...flags, ...of, approvers: identities, read: async () => expect.fail() }, Date.now()),
    )
    await approversApproveIn(homes, approvers, names, glass)
    const cards = await Promise.all(holders.map((name) => cardOf(homes, name)))
    const to = { cards, threshold: undefined, without: ['ap'] }
    const plan = (flags: Parameters<typeof planRotation>[0]) => planRotation({ ...flags, to }, Date.now())
    handover = await planOfKeyIn(homes, holders, key, [relay.url], deadlines, plan)
    await joinCalmly(homes, reshare, holders)
  })
  afterAll(async () => {
    await relay.close()
    await rm(homes.root, { recursive: true, force: true })
  })

  const joinOne = async (row: typeof reshare | typeof sign | typeof reconstruct, name: string) =>
    (await joinAs(homes, row, name).ended).document
  const status = async () => {
    const args = ['--home', homes.home('ap'), '--definition', join(homes.folder, 'reshare.yaml')]
    return (await spawnQuorate(['rotate', 'status', ...args]).ended).document
  }

  it('is shown by notes alone that the others are done, and told what its operator does', async () => {
    const shown = await status()
    // The last note of a site on a busy machine may not leave it; the one before says that it voted.
    const voted = { phase: expect.stringMatching(/^(?:ready|closed)$/) }
    expect(shown?.['members']).toMatchObject([...holders.map((name) => ({ name, ...voted })), ...away('drafted')])
    expect(shown?.['next']).toContain('rotate approve')
  })

  it('finds all votes in them, and waits for receipts before its share is destroyed', async () => {
    await approveIn(homes, ['ap'], handover, undefined)
    const ended = await joinOne(reshare, 'ap')
    expect(ended).toMatchObject({ error: { code: 'E_NOT_FINISHED', details: { step: 'installed', got: [] } } })
    expect(await showKey(homes.home('ap'), key)).toMatchObject({ state: 'installed', epoch: 1 })
    expect((await status())?.['next']).toContain('rotate join')
  })

  it('signs nothing more by the shares that were replaced', async () => {
    const ended = await joinOne(sign, 'ap')
    expect(ended).toMatchObject({ error: { code: 'E_NOT_FINISHED', details: { ceremony: ceremonyId(handover) } } })
    expect(await showKey(homes.home('ap'), key)).toMatchObject({ state: 'installed', epoch: 1 })
  })

  it('gives it to nobody either', async () => {
    const ended = await joinOne(reconstruct, 'ap')
    expect(ended).toMatchObject({ error: { code: 'E_NOT_FINISHED', details: { ceremony: ceremonyId(handover) } } })
  })

  it('destroys its share as soon as one of the others joins again', async () => {
    let ended: Awaited<ReturnType<typeof joinOne>>
    // A machine that is busy lets the one go before the other has come.
    for (let round = 0; round < 4 && ended?.['state'] !== 'closed'; round++)
      [ended] = await Promise.all(['ap', 'eu'].map((name) => joinOne(reshare, name)))
    expect(ended).toMatchObject({ state: 'closed' })
    expect(await showKey(homes.home('ap'), key)).toMatchObject({ state: 'retired', epoch: 1 })
    expect(await joinOne(sign, 'ap')).toMatchObject({ error: { code: 'E_NOT_FOUND' } })
  })
})
