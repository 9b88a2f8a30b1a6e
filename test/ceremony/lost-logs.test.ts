import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { header, recordAt } from '../../src/audit/log-file.ts'
import { logPath } from '../../src/ceremony/paths.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { abortCeremony } from '../../src/site/abort.ts'
import { approveDefinition } from '../../src/site/approve.ts'
import { openHomeSession } from '../../src/site/home-session.ts'
import { newFolder } from '../e2e/support.ts'
import { approveAll, joinAs, writeHome } from '../hostile/ceremonies.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { type MemoryWorld, memoryWorld } from '../support/memory-site.ts'
import { relayOn } from '../transport/relay-support.ts'

/** What a site promised stands in its ledger and in its logs. Where one of them is lost, nothing is promised anew. */

const sites = ['s1', 's2', 's3'] as SiteId[]
const folder = newFolder('lost logs')
afterAll(folder.remove)

let world: MemoryWorld
let definition: Definition
let ceremony: Hash
/** Of s1, after it made a key with the others: in memory, and as it was then. */
let disk: MemoryDisk
let made: ReadonlyMap<string, Uint8Array>
const at = (path: string): string => join(folder.path, 'home', path)

beforeAll(async () => {
  world = await memoryWorld(sites)
  definition = await keygenDefinition({ sites: await siteEntries(sites) })
  ceremony = ceremonyId(definition)
  await approveAll(world, sites, definition)
  await Promise.all(sites.map((site) => joinAs(world, site, definition, null)))
  disk = world.homes.get('s1')?.disk as MemoryDisk
  made = new Map(disk.files)
})

/** The home of s1 as it was, in memory and as files. */
beforeEach(async () => {
  disk.files.clear()
  for (const [path, bytes] of made) disk.files.set(path, bytes)
  await rm(at('.'), { recursive: true, force: true })
  await writeHome(at('.'), made)
})

const damages: Readonly<Record<string, (bytes: Buffer) => Buffer | undefined>> = {
  missing: () => undefined,
  empty: () => Buffer.alloc(0),
  zeroed: (bytes) => Buffer.alloc(bytes.length),
  'cut after its first bytes': (bytes) => bytes.subarray(0, 20),
}

const damage = async (path: string, how: (bytes: Buffer) => Buffer | undefined): Promise<void> => {
  const after = how(await readFile(at(path)))
  if (after === undefined) await rm(at(path))
  else await writeFile(at(path), after)
}

const faultOf = async (work: Promise<unknown>): Promise<QuorateError> => {
  const error = await work.then(() => undefined).catch((thrown: unknown) => thrown)
  if (error instanceof QuorateError) return error
  throw new Error(`no fault of ours: ${error}`)
}

describe.each(Object.keys(damages))('a ledger that is %s', (how) => {
  test('is not begun anew: every command that would write names it', async () => {
    await damage('ledger', damages[how] as (bytes: Buffer) => Buffer)
    const passphrase = () => Promise.reject(new Error('not asked'))
    const before = await readFile(at(logPath(ceremony)))
    const left = await readFile(at('ledger')).catch(() => undefined)
    for (const work of [
      () => openHomeSession(at('.')),
      () => abortCeremony({ home: at('.'), definition, reason: 'none' }),
      () =>
        approveDefinition({ home: at('.'), definition, message: undefined, trust: undefined, passphrase } as Parameters<
          typeof approveDefinition
        >[0]),
    ]) {
      const fault = await faultOf(work())
      expect([fault.code, fault.message]).toEqual(['E_LOG', expect.stringContaining('the ledger of this home')])
    }
    expect(await readFile(at(logPath(ceremony)))).toEqual(before)
    // Whoever looks into it later finds it as it was.
    expect(await readFile(at('ledger')).catch(() => undefined)).toEqual(left)
  })
})

test('a ledger that is cut before what a log names is not gone on from, and is left as it is', async () => {
  const next = await keygenDefinition({ sites: await siteEntries(sites), nonce: '55'.repeat(16) })
  await approveAll(world, ['s1'], next)
  await joinAs(world, 's1' as SiteId, next, null)
  await writeHome(at('.'), disk.files)
  // Each barrier is a ledger of its own; the first of them is older than both logs.
  const whole = await readFile(at('ledger'))
  let [end, barriers] = [header.length, 0]
  for (let one = recordAt(whole, end); one !== undefined && barriers < 2; one = recordAt(whole, end)) {
    end = one.end
    if (one.kind === 'barrier') barriers += 1
  }
  for (const torn of [0, 9]) {
    const left = whole.subarray(0, end + torn)
    await writeFile(at('ledger'), left)
    const fault = await faultOf(openHomeSession(at('.')))
    expect([fault.code, fault.message]).toEqual(['E_LOG', expect.stringContaining(logPath(ceremonyId(next)))])
    expect(await readFile(at('ledger'))).toEqual(left)
  }
})

test('a home that was made and never used begins its ledger', async () => {
  for (const path of ['ledger', 'keys', 'ceremonies', 'bundles']) await rm(at(path), { recursive: true, force: true })
  const owned = await openHomeSession(at('.'))
  expect(owned.ledger.size).toBe(1)
  await owned.close()
})

describe.each(Object.keys(damages))('the log of a ceremony that is %s', (how) => {
  test('lets the site neither leave nor say anything anew', async () => {
    await damage(logPath(ceremony), damages[how] as (bytes: Buffer) => Buffer)
    const fault = await faultOf(abortCeremony({ home: at('.'), definition, reason: 'none' }))
    expect([fault.code, fault.message]).toEqual(['E_LOG', expect.stringContaining(logPath(ceremony))])

    const bytes = damages[how]?.(Buffer.from(disk.files.get(logPath(ceremony)) as Uint8Array))
    if (bytes === undefined) disk.files.delete(logPath(ceremony))
    else disk.files.set(logPath(ceremony), new Uint8Array(bytes))
    expect((await joinAs(world, 's1' as SiteId, definition, null)).error).toMatchObject({ code: 'E_LOG' })
  })
})

test('a log that was cut at an earlier barrier is known by the ledger', async () => {
  const whole = disk.files.get(logPath(ceremony)) as Uint8Array
  let refused = 0
  for (let length = whole.length - 1; length > 0; length -= Math.ceil(whole.length / 16)) {
    disk.files.set(logPath(ceremony), whole.slice(0, length))
    const { error } = await joinAs(world, 's1' as SiteId, definition, null)
    if ((error as QuorateError | undefined)?.code === 'E_LOG') refused += 1
  }
  expect(refused).toBeGreaterThan(8)
})

test('a site that left is not approved again by a ledger that was cut', async () => {
  const relay = await relayOn()
  const other = await keygenDefinition({
    sites: await siteEntries(sites),
    nonce: '77'.repeat(16),
    relays: [{ url: relay.url, identity: null }],
  })
  const before = await readFile(at('ledger')).catch(() => undefined)
  const left = await abortCeremony({ home: at('.'), definition: other, reason: 'changed our mind' })
  await relay.close()
  expect(left.ceremony).toBe(ceremonyId(other))
  await writeFile(at('ledger'), before as Buffer)
  const fault = await faultOf(
    approveDefinition({ home: at('.'), definition: other, message: undefined, trust: undefined } as Parameters<
      typeof approveDefinition
    >[0]),
  )
  expect(fault.code).toBe('E_CONSUMED')
})

test('a site that left does not come back by a log of that ceremony which is lost', async () => {
  const relay = await relayOn()
  const other = await keygenDefinition({
    sites: await siteEntries(sites),
    nonce: '78'.repeat(16),
    relays: [{ url: relay.url, identity: null }],
  })
  await abortCeremony({ home: at('.'), definition: other, reason: 'changed our mind' })
  await relay.close()
  const log = logPath(ceremonyId(other))
  const [ledger, whole] = [await readFile(at('ledger')), await readFile(at(log))]
  await approveAll(world, sites, other)
  disk.files.set('ledger', ledger)
  for (const [how, change] of Object.entries({ ...damages, 'another file': (_: Buffer) => Buffer.alloc(32, 7) })) {
    const lost = change(whole)
    if (lost === undefined) disk.files.delete(log)
    else disk.files.set(log, lost)
    const { error } = await joinAs(world, 's1' as SiteId, other, null)
    expect(error, how).toMatchObject({ code: expect.stringMatching(/^E_(?:ABORTED|LOG)$/) })
    // Bytes that are no records may be cut away; none are written.
    const after = disk.files.get(log)
    expect(after === undefined || after.length === 0 || after.length === lost?.length, how).toBe(true)
  }
})

test('an approver leaves by its own home, which has neither card nor shares', async () => {
  const relay = await relayOn()
  const approver = await memoryHome('notary', { role: 'approver' })
  const other = await keygenDefinition({
    sites: await siteEntries(sites),
    approvers: [approver.home.identity],
    nonce: '79'.repeat(16),
    relays: [{ url: relay.url, identity: null }],
  })
  const home = join(folder.path, 'notary')
  await writeHome(home, approver.disk.files)
  expect(await abortCeremony({ home, definition: other, reason: 'not this one' })).toMatchObject({
    ceremony: ceremonyId(other),
  })
  await relay.close()
})
