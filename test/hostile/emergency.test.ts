import { beforeAll, describe, expect, it } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import { ledgerOrigin } from '../../src/audit/note.ts'
import { emergenciesOf } from '../../src/ceremony/epoch/other-emergency.ts'
import { sayOfKey, suspendedIn } from '../../src/ceremony/epoch/suspended.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { LogEvent } from '../../src/records/event.ts'
import type { EmergencyDefinition } from '../../src/records/kinds/emergency.ts'
import { emergencyDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { type MemoryWorld, memorySite } from '../support/memory-site.ts'
import { many } from '../support/report.ts'
import { approveAll, type Joined, joinAs, type Liar } from './ceremonies.ts'
import {
  caseOf,
  deadlines,
  diskOf,
  epochsAt,
  joinTogether,
  type KeyHolders,
  keyHolders,
  ownerOf,
  said,
} from './refreshes.ts'

/** An emergency among sites of which one may be an attacker's, beside whatever else runs with the old key. */

const names = ['eu', 'us', 'ap'] as SiteId[]
const [eu, us, ap] = names as [SiteId, SiteId, SiteId]
const sa = 'sa' as SiteId
let holders: KeyHolders

const emergency = async (sites: readonly SiteId[] = names, nonce = '77'.repeat(16)): Promise<EmergencyDefinition> => {
  const common = await emergencyDefinition({ deadlines, attempts: 8, nonce, sites: await siteEntries(sites) })
  return { ...common, fences: { ...common.fences, key: holders.key, base: holders.base } }
}

const ledgerAt = async (world: MemoryWorld, name: SiteId): Promise<readonly LogEvent[]> => {
  const { home } = world.homes.get(name) ?? expect.fail(`no home ${name}`)
  const disk = diskOf(world, name)
  const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer: home.keys.log })
  return [...ledger.replay()]
}

/** Places in a ledger of the words that count: the key suspended, the promise, the vote. */
const wordsAt = async (world: MemoryWorld, name: SiteId, definition: Definition) => {
  const events = await ledgerAt(world, name)
  const at = (what: string): number =>
    events.findIndex(
      (event) => event.what === what && (what === 'suspended' || event.ceremony === ceremonyId(definition)),
    )
  return { suspended: at('suspended'), fenced: at('fenced'), ready: at('ready'), installed: at('installed') }
}

/** An honest site suspends first, then promises, and votes after both. */
const inOrder = async (world: MemoryWorld, name: SiteId, definition: Definition): Promise<void> => {
  const { suspended, fenced, ready } = await wordsAt(world, name, definition)
  if (fenced >= 0) expect(suspended).toBeGreaterThanOrEqual(0)
  if (fenced >= 0) expect(fenced).toBeGreaterThan(suspended)
  if (ready >= 0) expect(fenced).toBeGreaterThanOrEqual(0)
  if (ready >= 0) expect(ready).toBeGreaterThan(fenced)
}

const signing = async (world: MemoryWorld): Promise<readonly [Definition, Uint8Array]> => {
  const message = utf8('pay nobody')
  const definition = await signDefinition({
    sites: await siteEntries(names),
    ...{ key: holders.key, base: holders.base, deadlines, signers: 'any' },
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
  await approveAll(world, names, definition)
  return [definition, message]
}

/** Says nothing more from its n-th word or message on. */
const silentFrom = (n: number): Liar => {
  let left = n
  const speak = <T>(one: T): readonly T[] => {
    left -= 1
    return left >= 0 ? [one] : []
  }
  return { site: ap, ceremony: undefined, talk: (_to, talk) => speak(talk), post: (_topic, _to, bytes) => speak(bytes) }
}

beforeAll(async () => {
  holders = await keyHolders(names)
})

describe('an emergency with one site that falls silent', () => {
  const MOST = 90
  const step = many(6, 6, 1)
  const places = Array.from({ length: Math.ceil(MOST / step) }, (_, at) => at * step)

  it.each(places)(
    'after its word %i leaves the old key suspended at the others, and no vote without a promise',
    async (n) => {
      const world = await caseOf(holders, `silent ${n}`)
      const definition = await emergency()
      await approveAll(world, names, definition)
      const [first, second] = await Promise.all(
        names.map((name) => joinAs(world, name, definition, null, name === ap ? silentFrom(n) : undefined)),
      )
      for (const one of [first, second] as [Joined, Joined]) {
        expect(['closed', 'E_QUORUM', 'E_PEER_SILENT', 'E_NOT_FINISHED', 'E_APPROVALS_MISSING']).toContain(said(one))
        await inOrder(world, one.site, definition)
        expect((await wordsAt(world, one.site, definition)).fenced).toBeGreaterThanOrEqual(0)
      }
      // The old key signs nothing where an honest site would have to take part.
      const [sign, message] = await signing(world)
      expect(said(await joinAs(world, eu, sign, message))).toBe('E_NOT_ALLOWED')
    },
  )

  it('is left by the others, who make a fresh key with another site', async () => {
    const world = await caseOf(holders, 'left')
    const first = await emergency()
    await approveAll(world, names, first)
    const control = (site: SiteId) =>
      joinAs(world, site, first, null, undefined, {
        control: ({ abort }) => void world.clock.sleep(5000).then(() => abort('ap is silent')),
      })
    expect((await Promise.all([control(eu), control(us)])).map(said)).toEqual(['E_ABORTED', 'E_ABORTED'])
    const wider = { ...world, homes: new Map([...world.homes, [sa, await memoryHome(sa)] as const]) }
    const second = await emergency([eu, us, sa], '78'.repeat(16))
    await approveAll(wider, [eu, us, sa], second)
    const ends = await joinTogether(wider, [eu, us, sa], second)
    expect(ends.map(said)).toEqual(['closed', 'closed', 'closed'])
    expect(ends[2]?.result?.fences).toMatchObject({ fenced: [eu, us], left: [ap], retired: true, outOfUse: true })
  })
})

describe('a site that votes without a promise', () => {
  it('makes no key with honest ones: they wait for its word, and say whose is missing', async () => {
    const world = await caseOf(holders, 'no promise')
    const definition = await emergency()
    await approveAll(world, names, definition)
    const liar: Liar = {
      site: ap,
      ceremony: undefined,
      talk: (_to, talk) => (talk.is === 'object' && talk.name === 'fenced' ? [] : [talk]),
      post: (_topic, _to, bytes) => [bytes],
    }
    const ends = await Promise.all(
      names.map((name) => joinAs(world, name, definition, null, name === ap ? liar : undefined)),
    )
    for (const { error } of ends.slice(0, 2))
      expect(error).toMatchObject({ code: 'E_PEER_SILENT', details: { missing: [ap], round: 'fenced' } })
    for (const name of [eu, us]) expect((await wordsAt(world, name, definition)).ready).toBe(-1)
  })

  it('is one whose operator resumed the key meanwhile: it votes for nothing', async () => {
    const world = await caseOf(holders, 'resumed')
    const definition = await emergency()
    await approveAll(world, names, definition)
    const owner = await ownerOf(world, eu)
    let resuming: Promise<void> | undefined
    const word = { key: holders.key, reason: 'all is well', suspended: false }
    const ends = await Promise.all(
      names.map((name) =>
        joinAs(world, name, definition, null, undefined, {
          ...(name === eu ? { site: owner } : {}),
          progress: (event) => {
            if (name !== eu || event.phase !== 'step' || event.step !== 'staged') return
            resuming ??= sayOfKey((owner as Site).ledger, world.clock, word)
          },
        }),
      ),
    )
    await resuming
    expect(ends.map(said)[0]).toBe('E_NOT_ALLOWED')
    expect((await wordsAt(world, eu, definition)).ready).toBe(-1)
    // The next join suspends it again, and the promise stands.
    expect((await joinTogether(world, names, definition)).map(said)).toEqual(['closed', 'closed', 'closed'])
    await inOrder(world, eu, definition)
  })
})

describe('two emergencies of one key', () => {
  it('approved at two sites at once: neither is run by a site that has a part in the other, until one is left', async () => {
    const world = await caseOf(holders, 'two')
    const [one, two] = [await emergency(names, '11'.repeat(16)), await emergency(names, '22'.repeat(16))]
    const id = ceremonyId(one)
    await approveAll(world, names, one)
    await approveAll(world, names, two)
    // Both are begun: eu joins the first, us the second, and each waits for the others.
    const begun = await Promise.all([joinAs(world, eu, one, null), joinAs(world, us, two, null)])
    expect(begun.map(said)).toEqual(['E_APPROVALS_MISSING', 'E_APPROVALS_MISSING'])
    const refused = await joinAs(world, us, one, null)
    expect(refused.error).toMatchObject({ code: 'E_NOT_FINISHED', details: { ceremony: ceremonyId(two) } })
    const left = await joinAs(world, us, two, null, undefined, { control: ({ abort }) => void abort('the other one') })
    expect(said(left)).toBe('E_ABORTED')
    expect((await joinTogether(world, names, one)).map(said)).toEqual(['closed', 'closed', 'closed'])
    // A second fresh key in the place of a key that has one is refused for good.
    const late = await joinAs(world, eu, two, null)
    expect(late.error).toMatchObject({ code: 'E_CONSUMED', details: { ceremony: id } })
  })
})

describe('an emergency in which one site never shows its vote', () => {
  it('keeps nobody from another one, by those who voted in it', async () => {
    const world = await caseOf(holders, 'undecided')
    const first = await emergency()
    await approveAll(world, names, first)
    const liar: Liar = {
      site: ap,
      ceremony: undefined,
      connected: (wire) => ({ ...wire, post: () => undefined }),
      talk: (_to, talk) => (talk.is === 'object' && talk.name === 'ready' ? [] : [talk]),
      post: (_topic, _to, bytes) => [bytes],
    }
    const ends = await Promise.all(
      names.map((name) => joinAs(world, name, first, null, name === ap ? liar : undefined)),
    )
    expect(ends.slice(0, 2).map(said)).toEqual(['E_NOT_FINISHED', 'E_NOT_FINISHED'])
    const wider = { ...world, homes: new Map([...world.homes, [sa, await memoryHome(sa)] as const]) }
    const second = await emergency([eu, us, sa], '78'.repeat(16))
    await approveAll(wider, [eu, us, sa], second)
    expect((await joinTogether(wider, [eu, us, sa], second)).map(said)).toEqual(['closed', 'closed', 'closed'])
    const states = (await emergenciesOf(await memorySite(wider, eu), holders.key)).map(({ ceremony, state }) => [
      ceremony,
      state,
    ])
    expect(states).toEqual([
      [ceremonyId(first), 'voted'],
      [ceremonyId(second), 'made'],
    ])
    const third = await emergency([eu, us, sa], '79'.repeat(16))
    await approveAll(wider, [eu], third)
    expect(said(await joinAs(wider, eu, third, null))).toBe('E_CONSUMED')
  })
})

describe('an emergency that says otherwise of the old key', () => {
  it.each<[string, (fences: EmergencyDefinition['fences']) => object]>([
    ['another threshold', () => ({ threshold: 3 })],
    ['other holders', ({ holders: [first, second] }) => ({ holders: [second, first] })],
  ])('%s: is joined by nobody who holds a share of it', async (_, change) => {
    const world = await caseOf(holders, 'false')
    const sound = await emergency()
    const definition = { ...sound, fences: { ...sound.fences, ...change(sound.fences) } } as EmergencyDefinition
    await approveAll(world, names, definition)
    expect(said(await joinAs(world, eu, definition, null))).toBe('E_DEFINITION')
    expect((await wordsAt(world, eu, definition)).fenced).toBe(-1)
  })

  it('is fenced all the same where a rotation ended since it was planned', async () => {
    const world = await caseOf(holders, 'rotated')
    const definition = await emergency()
    const refresh = await holders.refresh()
    await approveAll(world, names, refresh)
    expect((await joinTogether(world, names, refresh)).map(said)).toEqual(['closed', 'closed', 'closed'])
    await approveAll(world, names, definition)
    expect((await joinTogether(world, names, definition)).map(said)).toEqual(['closed', 'closed', 'closed'])
  })
})

describe('an emergency beside a ceremony of the old key', () => {
  it('ends a signature that runs: whoever suspended says nothing more in it', async () => {
    const world = await caseOf(holders, 'signing')
    const definition = await emergency()
    await approveAll(world, names, definition)
    const [sign, message] = await signing(world)
    const owners = new Map(await Promise.all(names.map(async (name) => [name, await ownerOf(world, name)] as const)))
    let fencing: Promise<readonly Joined[]> | undefined
    const begin = () =>
      Promise.all(
        names.map((name) => joinAs(world, name, definition, null, undefined, { site: owners.get(name) ?? {} })),
      )
    const signed = await Promise.all(
      names.map((name) =>
        joinAs(world, name, sign, message, undefined, {
          site: owners.get(name) ?? {},
          progress: (event) => {
            if (event.phase === 'attempt') fencing ??= begin()
          },
        }),
      ),
    )
    const ends = (await fencing) ?? expect.fail('nobody signed')
    expect(ends.map(said)).toEqual(['closed', 'closed', 'closed'])
    // Either the shares were out before, or nobody signed.
    for (const one of signed) expect(['closed', 'E_NOT_ALLOWED', 'E_PEER_SILENT', 'E_ATTEMPTS']).toContain(said(one))
    for (const name of names) await inOrder(world, name, definition)
  })

  it('and a refresh at once: the refresh is finished where all voted, and else nobody votes in it', async () => {
    const world = await caseOf(holders, 'refreshing')
    const definition = await emergency()
    const refresh = await holders.refresh()
    await approveAll(world, names, definition)
    await approveAll(world, names, refresh)
    const owners = new Map(await Promise.all(names.map(async (name) => [name, await ownerOf(world, name)] as const)))
    const run = (one: Definition) =>
      Promise.all(names.map((name) => joinAs(world, name, one, null, undefined, { site: owners.get(name) ?? {} })))
    const [fenced, refreshed] = await Promise.all([run(definition), run(refresh)])
    expect(fenced.map(said)).toEqual(['closed', 'closed', 'closed'])
    const epochs = await Promise.all(names.map(async (name) => (await epochsAt(world, name)).map(({ core }) => core)))
    const fresh = epochs.map((list) => list.filter(({ kind }) => kind === 'emergency'))
    expect(fresh.map((list) => list.length)).toEqual([1, 1, 1])
    for (const one of refreshed) expect(['closed', 'E_NOT_ALLOWED', 'E_PEER_SILENT', 'E_QUORUM']).toContain(said(one))
    for (const name of names) {
      const ledger = (owners.get(name) as Site).ledger
      expect(suspendedIn(ledger).has(holders.key)).toBe(true)
    }
  })
})
