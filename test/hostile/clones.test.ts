import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import { ceremonyOrigin, ledgerOrigin } from '../../src/audit/note.ts'
import { approvalsFolder, ceremonyFolder, logPath } from '../../src/ceremony/paths.ts'
import { LedgerExchange } from '../../src/ceremony/peers/ledger-exchange.ts'
import { readSignedMessage } from '../../src/ceremony/session/round-message.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { openHome } from '../../src/identity/home.ts'
import type { Hash, Index, Party, SiteId } from '../../src/lib/brand.ts'
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Clock } from '../../src/lib/ports.ts'
import { Secret } from '../../src/lib/secret.ts'
import { hedgedRandom } from '../../src/mpc/hedged.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { approvalCodec } from '../../src/records/identity.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { shardStore } from '../../src/shards/store.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { copyDisk, copyWorld, type MemoryWorld, memoryWorld } from '../support/memory-site.ts'
import { seededRandom } from '../support/random.ts'
import { approveAll, type Joined, joinAs } from './ceremonies.ts'
import { tableOf } from './parties.ts'

const names = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2, s3] = names as [SiteId, SiteId, SiteId]
const message = utf8('pay nobody')
const deadlines = { gather: 12, proposal: 5, round: 12, close: 12 }

let keyed: MemoryWorld
let fresh: MemoryWorld
let keygen: Definition
let key: Hash
let base: Hash

beforeAll(async () => {
  fresh = await memoryWorld(names)
  keyed = await copyWorld(fresh, 'keyed')
  keygen = await keygenDefinition({ sites: await siteEntries(names), deadlines: { ...deadlines, gather: 90 } })
  await approveAll(keyed, names, keygen)
  const made = await Promise.all(names.map((name) => joinAs(keyed, name, keygen, null)))
  const [epoch] = await shardStore(diskOf(keyed, s1)).list()
  key = made[0]?.result?.key?.id as Hash
  base = hashOf(recordCodec.encode(epoch?.record ?? expect.fail('no key')))
})

const diskOf = (world: MemoryWorld, name: SiteId): MemoryDisk =>
  (world.homes.get(name)?.disk ?? expect.fail('no home')) as MemoryDisk

const signing = async (nonce: string, changes: { signers?: SiteId[]; gather?: number } = {}): Promise<Definition> =>
  signDefinition({
    sites: await siteEntries(names),
    key,
    base,
    nonce: hashOf(utf8(nonce)).slice(0, 32),
    signers: changes.signers ?? 'any',
    deadlines: { ...deadlines, gather: changes.gather ?? deadlines.gather },
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })

/** Puts another disk in the place of a home: a restored backup, or a clone. */
const withHome = async (world: MemoryWorld, name: SiteId, disk: MemoryDisk): Promise<MemoryWorld> => ({
  ...world,
  homes: new Map([...world.homes, [name, { home: await openHome(disk), disk }]]),
})

const codeOf = ({ result, error }: Joined): string | undefined =>
  result === undefined ? (error instanceof QuorateError ? error.code : String(error)) : undefined

/** Nonce commitments and signature shares that a site sent, by session, from a log. */
const sentBy = async (world: MemoryWorld, name: SiteId, definition: Definition, site: SiteId) => {
  const home = await openHome(diskOf(world, name))
  const hash = ceremonyId(definition)
  const log = await openLog({
    disk: diskOf(world, name),
    path: logPath(hash),
    origin: ceremonyOrigin(hash, home.identity),
    signer: home.keys.log,
  })
  return [...log.replay()].flatMap(({ what, object, site: by }) => {
    const body = what === 'message' && by === site && object !== null ? log.body(object) : undefined
    return body === undefined ? [] : [readSignedMessage(body)]
  })
}
const commitmentsOf = (posts: readonly ReturnType<typeof readSignedMessage>[]): string[] =>
  posts.filter(({ round }) => round === 'commitments').map(({ payload }) => toHex(payload ?? new Uint8Array()))

describe('two clones of one home', () => {
  it('in two sessions, with the same bytes from the system: different nonces', async () => {
    const seen: string[] = []
    const keys: string[] = []
    const definition = await signing('clones', { gather: 90 })
    for (const [later, clone] of ['first', 'second'].entries()) {
      const world = await copyWorld(keyed, clone)
      // Two clones that also share every clock tick would run one session twice.
      await world.clock.sleep(later)
      await approveAll(world, [s1, s3], definition)
      const joined = await Promise.all(
        [s1, s3].map((name) =>
          joinAs(world, name, definition, message, undefined, {
            machine: { random: seededRandom(`the same at ${name}`), processId: 7 },
          }),
        ),
      )
      expect(joined.map(codeOf)).toEqual([undefined, undefined])
      const posts = await sentBy(world, s3, definition, s3)
      seen.push(...commitmentsOf(posts))
      keys.push(toHex(joined[1]?.ceremony ? fromHex(joined[1].ceremony.keys.message.raw.key) : new Uint8Array()))
    }
    // The system gave both the same, and the clocks told them apart: their join keys differ too.
    expect(new Set(keys).size).toBe(2)
    expect(seen).toHaveLength(2)
    expect(new Set(seen).size).toBe(2)
  })

  it('in one session, with equal random bytes and equal peers: the clocks alone keep the nonces apart', async () => {
    const table = await tableOf({ kind: 'sign', protocol: 'frost-ed25519', n: 3, t: 2 })
    const { protocols, epoch } = table
    if (epoch === undefined) throw new Error('no epoch')
    const nonces = async (at: number): Promise<string> => {
      let sent: unknown
      const still: Clock = { now: () => at, monotonic: () => at, sleep: () => new Promise(() => undefined) }
      const share = new Secret((epoch.shares[0] as Uint8Array).slice())
      const random = hedgedRandom({
        random: seededRandom('one stream'),
        clock: still,
        hedgeKey: new Secret(new Uint8Array(32).fill(9)),
        share,
        session: base,
        label: protocols.sign.id,
        message,
        processId: 7,
      })
      const box = {
        self: 1 as Party,
        peers: [2 as Party],
        session: base,
        broadcast: (_round: string, own: unknown) => {
          sent = own
          return Promise.reject(new Error('enough'))
        },
      }
      const input = {
        threshold: 2,
        publicKey: fromHex(epoch.outcome.publicKey),
        indices: [1, 2] as Index[],
        verifyingShares: epoch.outcome.verifyingShares.map(fromHex),
        message,
        share,
      }
      await expect(protocols.sign.run(box as never, input, { random })).rejects.toThrow('enough')
      return (sent as readonly Uint8Array[]).map(toHex).join()
    }
    expect(await nonces(1)).not.toBe(await nonces(2))
    // What SECURITY.md leaves open: where the clocks are equal too, so are the nonces.
    expect(await nonces(1)).toBe(await nonces(1))
  })

  it('at once in one room: no nonce commitment answers for two signature shares, and nobody else is accused', async () => {
    const definition = await signing('at once', { gather: 30 })
    const world = await copyWorld(keyed, 'at once')
    await approveAll(world, names, definition)
    const clone = await withHome(world, s3, await copyDisk(diskOf(world, s3)))
    const same = { machine: { random: seededRandom('one stream'), processId: 7 } }
    const again = { machine: { random: seededRandom('one stream'), processId: 7 } }
    const joined = await Promise.all([
      joinAs(world, s1, definition, message),
      joinAs(world, s2, definition, message),
      joinAs(world, s3, definition, message, undefined, same),
      joinAs(clone, s3, definition, message, undefined, again),
    ])
    const shares = new Map<string, Set<string>>()
    for (const [at, place] of [
      [0, world],
      [1, world],
      [2, world],
      [3, clone],
    ] as const) {
      const posts = await sentBy(place, joined[at]?.site as SiteId, definition, s3)
      for (const one of posts.filter(({ round }) => round === 'commitments')) {
        const share = posts.find(({ round, session }) => round === 'shares' && toHex(session) === toHex(one.session))
        const list = shares.get(toHex(one.headerBytes)) ?? new Set()
        if (share?.payload !== undefined) list.add(toHex(share.payload))
        shares.set(toHex(one.payload ?? new Uint8Array()), list)
      }
    }
    for (const list of shares.values()) expect(list.size).toBeLessThanOrEqual(1)
    for (const one of joined) {
      expect(codeOf(one)).not.toBe('E_BUG')
      for (const { value } of one.ceremony?.store.blames.values() ?? []) expect(value.accused).toBe(s3)
    }
    // The two who were not cloned have the signature.
    expect(
      joined.slice(0, 2).map(({ result }) => result?.signature !== null && result?.signature !== undefined),
    ).toEqual([true, true])
  })
})

describe('a home that was set back', () => {
  const played = async (fork: boolean) => {
    const world = await copyWorld(keyed, 'rolled')
    const backup = await copyDisk(diskOf(world, s3))
    // All three sign: a site that is only there may go before the others have met its ledger.
    const first = await signing('before', { gather: 90, signers: [...names] })
    await approveAll(world, names, first)
    const made = await Promise.all(names.map((name) => joinAs(world, name, first, message)))
    expect(made.map(codeOf)).toEqual([undefined, undefined, undefined])
    if (fork) {
      const home = await openHome(backup)
      const ledger = await openLog({
        disk: backup,
        path: 'ledger',
        origin: ledgerOrigin(home.identity),
        signer: home.keys.log,
      })
      for (let n = 0; n < 40; n++) ledger.append({ at: n, what: 'peer-ledger', ceremony: null, site: s1, object: null })
      await ledger.barrier()
    }
    return withHome(world, s3, backup)
  }

  it.each([
    ['older', false],
    ['forked', true],
  ] as const)(
    'a ledger that is %s: E_SITE_ROLLED_BACK at every peer, with the head that was signed',
    async (_, fork) => {
      const world = await played(fork)
      // Long enough for a busy machine: all three end as soon as they have seen the ledger.
      const patient = { ...deadlines, gather: 240, proposal: 120 }
      const nonce = 'ee'.repeat(16)
      const second = await keygenDefinition({ sites: await siteEntries(names), nonce, deadlines: patient })
      await approveAll(world, names, second)
      const joined = await Promise.all(names.map((name) => joinAs(world, name, second, null)))
      expect(joined.map(codeOf)).toEqual(['E_SITE_ROLLED_BACK', 'E_SITE_ROLLED_BACK', 'E_SITE_ROLLED_BACK'])
      for (const { site, error } of joined) {
        const { details } = error as QuorateError
        expect(details['site']).toBe(s3)
        expect(String(details['remembered'])).toContain('quorate/ledger/')
        if (site !== s3) expect(details['shown']).not.toBe(details['remembered'])
      }
      for (const name of names) expect(await shardStore(diskOf(world, name)).list()).toHaveLength(1)
    },
  )

  it('keeps no signature from those who do not need it', async () => {
    const world = await played(false)
    const third = await signing('after', { gather: 90 })
    await approveAll(world, names, third)
    const joined = await Promise.all(names.map((name) => joinAs(world, name, third, message)))
    expect(joined.slice(0, 2).map(codeOf)).toEqual([undefined, undefined])
    expect(codeOf(joined[2] as Joined)).toBe('E_SITE_ROLLED_BACK')
  })
})

describe('a coordinator of whose ledger more is known than it says', () => {
  afterEach(() => vi.restoreAllMocks())

  it('is not followed, and the others sign', async () => {
    const { doubts } = LedgerExchange.prototype
    vi.spyOn(LedgerExchange.prototype, 'doubts').mockImplementation(function (this: LedgerExchange, name, head) {
      return name === s1 || doubts.call(this, name, head)
    })
    const definition = await signing('doubted', { gather: 90 })
    const world = await copyWorld(keyed, 'doubted')
    await approveAll(world, names, definition)
    const [, ...joined] = await Promise.all(names.map((name) => joinAs(world, name, definition, message)))
    for (const { error, ceremony, result } of joined) {
      expect(error).toBeUndefined()
      expect(result?.signature).toEqual(expect.any(String))
      const own = [...(ceremony?.store.attempts.values() ?? [])].filter(({ signatures }) => signatures.has(s2))
      expect(own.map(({ value }) => value.coordinator)).not.toContain(s1)
      expect(own.length).toBeGreaterThan(0)
    }
  })
})

describe('refused by name', () => {
  it('a consumed definition: E_LOG where the log is gone and the ledger knows', async () => {
    const world = await copyWorld(keyed, 'consumed')
    const disk = diskOf(world, s1)
    for (const path of [...disk.files.keys()]) if (path.startsWith(logPath(ceremonyId(keygen)))) disk.files.delete(path)
    expect(codeOf(await joinAs(world, s1, keygen, null))).toBe('E_LOG')
  })

  it('a consumed definition: what it made, and never a second run', async () => {
    const world = await copyWorld(keyed, 'again')
    const before = (await shardStore(diskOf(world, s1)).list()).map(({ envelope }) => envelope)
    const joined = await Promise.all(names.map((name) => joinAs(world, name, keygen, null)))
    expect(joined.map(({ result }) => result?.key?.id)).toEqual([key, key, key])
    expect((await shardStore(diskOf(world, s1)).list()).map(({ envelope }) => envelope)).toEqual(before)
  })

  it('a withdrawn approval: E_ABORTED here, and at those who needed it', async () => {
    const world = await copyWorld(fresh, 'withdrawn')
    const definition = await keygenDefinition({ sites: await siteEntries(names), nonce: 'dd'.repeat(16), deadlines })
    await approveAll(world, names, definition)
    const leaving = await joinAs(world, s3, definition, null, undefined, {
      control: (control) => void control.abort('changed my mind'),
    })
    expect(leaving.result).toBeUndefined()
    expect(codeOf(await joinAs(world, s3, definition, null))).toBe('E_ABORTED')
    const others = await Promise.all([s1, s2].map((name) => joinAs(world, name, definition, null)))
    expect(others.map(codeOf)).toEqual(['E_ABORTED', 'E_ABORTED'])
  })

  const given = async (
    world: MemoryWorld,
    name: SiteId,
    definition: Definition,
    changes: object,
  ): Promise<Uint8Array> => {
    const key = await (await openHome(diskOf(world, name))).unlock()
    const home = await openHome(diskOf(world, name))
    const value = {
      ceremony: ceremonyId(definition),
      identity: home.identity,
      role: 'site',
      purpose: 'approve',
      at: 1,
      ...changes,
    }
    const loose = {
      ...approvalCodec,
      encode: (one: unknown) => utf8(JSON.stringify(sortedKeys({ ...(one as object), type: approvalCodec.type }))),
    }
    return toEnvelope(await key.signer.sign(loose as never, value as never))
  }
  const sortedKeys = (value: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))

  it.each([
    ['another role', { role: 'approver' }],
    ['another purpose', { purpose: 'retire' }],
    ['another ceremony', { ceremony: 'ab'.repeat(32) }],
  ])('an approval for %s: E_FILE where it lies, and nobody counts it', async (_, changes) => {
    const world = await copyWorld(fresh, 'approval')
    const definition = await keygenDefinition({
      sites: await siteEntries(names),
      nonce: 'cc'.repeat(16),
      deadlines: { ...deadlines, gather: 6 },
    })
    await approveAll(world, [s1, s2], definition)
    const bad = await given(world, s3, definition, changes)
    const folder = approvalsFolder(ceremonyId(definition))
    diskOf(world, s1).files.set(`${folder}/s3.dsse`, bad)
    expect(codeOf(await joinAs(world, s1, definition, null))).toBe('E_FILE')
    diskOf(world, s1).files.delete(`${folder}/s3.dsse`)
    await diskOf(world, s3).folder(folder)
    diskOf(world, s3).files.set(`${folder}/s3.dsse`, bad)
    const joined = await Promise.all(names.map((name) => joinAs(world, name, definition, null)))
    expect(joined.map(codeOf)).toEqual(['E_APPROVALS_MISSING', 'E_APPROVALS_MISSING', 'E_FILE'])
  })

  it('a definition that was changed by one byte: E_NOT_APPROVED, and E_FILE for the approvals of the other', async () => {
    const world = await copyWorld(fresh, 'byte')
    const definition = await keygenDefinition({ sites: await siteEntries(names), nonce: 'bb'.repeat(16), deadlines })
    await approveAll(world, names, definition)
    const changed = { ...definition, nonce: `${'bb'.repeat(15)}bc` }
    expect(codeOf(await joinAs(world, s1, changed, null))).toBe('E_NOT_APPROVED')
    const disk = diskOf(world, s1)
    const own = disk.files.get(`${approvalsFolder(ceremonyId(definition))}/s1.dsse`) ?? expect.fail('no approval')
    await disk.folder(approvalsFolder(ceremonyId(changed)))
    disk.files.set(`${approvalsFolder(ceremonyId(changed))}/s1.dsse`, own)
    expect(codeOf(await joinAs(world, s1, changed, null))).toBe('E_FILE')
    expect(ceremonyFolder(ceremonyId(changed))).not.toBe(ceremonyFolder(ceremonyId(definition)))
  })

  it('a definition whose entry for this site is another card: E_CARD', async () => {
    const world = await copyWorld(fresh, 'card')
    const sites = await siteEntries(names)
    const [first, ...rest] = sites
    if (first === undefined) throw new Error('no site')
    const definition = await keygenDefinition({
      sites: [{ ...first, jurisdiction: 'XX' }, ...rest],
      nonce: 'aa'.repeat(16),
      deadlines,
    })
    await approveAll(world, names, definition)
    expect(codeOf(await joinAs(world, s1, definition, null))).toBe('E_CARD')
    const others = await Promise.all([s2, s3].map((name) => joinAs(world, name, definition, null)))
    expect(others.map(codeOf)).toEqual(['E_APPROVALS_MISSING', 'E_APPROVALS_MISSING'])
  })
})
