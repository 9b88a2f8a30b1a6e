import { cp, rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Progress } from '../../src/ceremony/progress.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { abortCeremony } from '../../src/site/abort.ts'
import { type Joined, join } from '../../src/site/join.ts'
import { listKeys } from '../../src/site/keys.ts'
import { status } from '../../src/site/status.ts'
import { suspendKey } from '../../src/site/suspend.ts'
import { verifyFile } from '../../src/site/verify.ts'
import type { Relay } from '../../src/transport/relay/server.ts'
import { makeHomes, planKeygenIn, planSignIn } from '../faults/homes.ts'
import { built } from '../support/cli.ts'
import { LONG } from '../support/report.ts'
import { relayOn } from '../transport/relay-support.ts'

/** One home, many ceremonies: real homes, sockets and a relay, all sites in this process. */

const AT_ONCE = 20
/** Each is a ceremony of its own. */
const long = test.runIf(LONG)
/** Long: twenty ceremonies and other tests share this machine. */
const deadlines = { gather: 300, proposal: 20, round: 100, close: 100 }
const signers = ['eu', 'us'] as const

let homes: Awaited<ReturnType<typeof makeHomes>>
let relay: Relay
let url: string
let key: string

const none = async (): Promise<never> => {
  throw new Error('homes of tests have no passphrase')
}

const joinAt = (
  name: string,
  definition: Definition,
  more: {
    readonly signal?: AbortSignal
    readonly onJoin?: () => void
    readonly onEvent?: (event: Progress) => void
  } = {},
): Promise<Joined> =>
  join({
    home: homes.home(name),
    definition,
    check: false,
    progress: (event) => {
      more.onEvent?.(event)
      if (event.phase === 'gather' || event.phase === 'preflight') more.onJoin?.()
    },
    signal: more.signal ?? new AbortController().signal,
    passphrase: none,
  })

/** Resolves when the join has come as far as its preflight, with the join itself. */
const begun = async (
  name: string,
  definition: Definition,
  signal?: AbortSignal,
): Promise<{ readonly done: Promise<Joined> }> => {
  let onJoin = (): void => undefined
  const started = new Promise<void>((resolve) => {
    onJoin = resolve
  })
  const done = joinAt(name, definition, { onJoin, ...(signal === undefined ? {} : { signal }) })
  await Promise.race([started, done])
  return { done }
}

const planned = (): Promise<Definition> => planSignIn(homes, signers, key, [url], deadlines)
const plannedAll = async (count: number): Promise<readonly Definition[]> => {
  const all: Definition[] = []
  while (all.length < count) all.push(await planned())
  return all
}

const expectWhole = async (joined: Joined): Promise<void> => {
  expect(joined.state).toBe('closed')
  const report = await verifyFile({
    bundle: joined.bundle as string,
    trust: undefined,
    trustStated: true,
    at: undefined,
    require: [],
    message: undefined,
  })
  const bad = report.checks.filter(({ verdict }) => verdict === 'fails').map(({ id, reason }) => `${id}: ${reason}`)
  expect(bad).toEqual([])
  expect(report.verdict).toBe('valid')
}

beforeAll(async () => {
  await built()
  homes = await makeHomes(['eu', 'us', 'ap'])
  relay = await relayOn()
  url = relay.url
  const definition = await planKeygenIn(homes, ['eu', 'us', 'ap'], [url], deadlines)
  await Promise.all(['eu', 'us', 'ap'].map((name) => joinAt(name, definition)))
  key = (await listKeys(homes.home('eu'))).keys[0]?.key as string
})
afterAll(async () => {
  await relay.close()
  await rm(homes.root, { recursive: true, force: true })
})

describe('one home, many ceremonies', () => {
  test('two ceremonies begun in opposite order at two sites are both signed', async () => {
    const [first, second] = (await plannedAll(2)) as [Definition, Definition]
    const eu = await begun('eu', first)
    const us = await begun('us', second)
    const all = await Promise.all([eu.done, us.done, joinAt('eu', second), joinAt('us', first)])
    for (const joined of all) await expectWhole(joined)
  })

  test('a key that is suspended by another command takes no join that runs any further', async () => {
    const definition = await planned()
    const { done } = await begun('eu', definition)
    const word = { key, reason: 'build server broken into' }
    await suspendKey(homes.home('eu'), { ...word, suspended: true })
    expect(await listKeys(homes.home('eu'))).toMatchObject({ keys: [{ suspended: { reason: word.reason } }] })
    const stop = new AbortController()
    const other = joinAt('us', definition, { signal: stop.signal })
    await expect(done).rejects.toMatchObject({ code: 'E_NOT_ALLOWED' })
    stop.abort(new QuorateError('E_STOPPED', 'stopped', 'run join again'))
    await expect(other).rejects.toMatchObject({ code: 'E_STOPPED' })
    await suspendKey(homes.home('eu'), { ...word, suspended: false })
    expect(await listKeys(homes.home('eu'))).toMatchObject({ keys: [{ suspended: null }] })
  })

  long('a relay that is dead is named, once, while another works', async () => {
    const dead = 'ws://127.0.0.1:1'
    const definition = await planSignIn(homes, signers, key, [url, dead], deadlines)
    const named: string[] = []
    const atEu = joinAt('eu', definition, { onEvent: (event) => event.phase === 'relay' && named.push(event.url) })
    await expectWhole(await joinAt('us', definition))
    await expectWhole(await atEu)
    expect(named).toEqual([dead])
  })

  long(`${AT_ONCE} signings at once by two of three sites all succeed`, async () => {
    const all = await plannedAll(AT_ONCE)
    const joined = await Promise.all(all.flatMap((one) => signers.map((name) => joinAt(name, one))))
    for (const one of joined) await expectWhole(one)
    expect(new Set(joined.map(({ signature }) => signature)).size).toBe(AT_ONCE)
  })

  long('while one join waits, another ceremony is approved, aborted and looked at', async () => {
    const waiting = await planned()
    const stop = new AbortController()
    const eu = await begun('eu', waiting, stop.signal)
    const other = await planned()
    expect(await status({ home: homes.home('eu'), definition: other, offline: true })).toMatchObject({
      phase: 'approved',
    })
    expect(await abortCeremony({ home: homes.home('eu'), definition: other, reason: 'wrong payee' })).toEqual({
      ceremony: ceremonyId(other),
      told: true,
    })
    await expect(joinAt('eu', other)).rejects.toMatchObject({ code: 'E_ABORTED' })
    await expect(joinAt('eu', waiting)).rejects.toMatchObject({
      code: 'E_HOME_BUSY',
      message: 'this home is running this ceremony already',
    })
    stop.abort()
    await expect(eu.done).rejects.toMatchObject({ code: 'E_STOPPED' })
  })

  long('a command that is stopped stops its own ceremony alone', async () => {
    const [first, second] = (await plannedAll(2)) as [Definition, Definition]
    const owner = await begun('eu', first)
    const stop = new AbortController()
    const guest = await begun('eu', second, stop.signal)
    stop.abort()
    await expect(guest.done).rejects.toMatchObject({ code: 'E_STOPPED' })
    await expectWhole(await joinAt('us', first))
    await expectWhole(await owner.done)
  })

  long('where the process that owns the home is stopped, the others go on by themselves', async () => {
    const [first, second] = (await plannedAll(2)) as [Definition, Definition]
    const stop = new AbortController()
    const owner = await begun('eu', first, stop.signal)
    const guest = await begun('eu', second)
    stop.abort()
    await expect(owner.done).rejects.toMatchObject({ code: 'E_STOPPED' })
    await expectWhole(await joinAt('us', second))
    await expectWhole(await guest.done)
  })

  /** Last: afterwards one of the two copies is of no use. */
  long('two copies of a home that sign in two ceremonies at once are found out', async () => {
    const short = { ...deadlines, proposal: 2 }
    const [first, second] = [
      await planSignIn(homes, signers, key, [url], short),
      await planSignIn(homes, signers, key, [url], short),
    ]
    await cp(homes.home('eu'), homes.home('copy'), { recursive: true })
    const stop = new AbortController()
    const us = [first, second].map((one) => joinAt('us', one, { signal: stop.signal }))
    const copies = await Promise.allSettled([joinAt('eu', first), joinAt('copy', second)])
    const found = copies.filter((one) => one.status === 'rejected')
    expect(found.map(({ reason }) => reason.code)).toContain('E_SITE_ROLLED_BACK')
    stop.abort()
    const signed = (await Promise.allSettled(us)).filter((one) => one.status === 'fulfilled')
    expect(signed.length).toBe(copies.length - found.length)
  })
})
