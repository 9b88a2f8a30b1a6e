import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import { refuseOtherParts, undecidedVotes } from '../../src/ceremony/epoch/rivals.ts'
import { suspendedIn } from '../../src/ceremony/epoch/suspended.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { toBase64, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { Readmitted } from '../../src/records/readmission.ts'
import type { RecordName } from '../../src/records/record-table.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import type { StoredEpoch } from '../../src/shards/epochs.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, refreshDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { emergencyOf } from '../support/emergencies.ts'
import { approveIn, type MemoryWorld, memorySite, memoryWorld, startJoin } from '../support/memory-site.ts'
import { backupOf, ledgerOf, readmitOf, setBack } from '../support/readmits.ts'
import { epochsAt, joinSites, newestAt, recordHashOf, reshareOf, signatureBy } from '../support/reshares.ts'

/** A site that returns, and those who wish to gain by it: what it forgot binds it again, and only one home of it is taken. */

const names = ['eu', 'us', 'ap', 'sa'] as SiteId[]
const [eu, us, ap, sa] = names as [SiteId, SiteId, SiteId, SiteId]
const deadlines = { gather: 30, proposal: 5, round: 20, close: 10 }

type Ends = readonly PromiseSettledResult<JoinResult>[]
const codes = (ends: Ends) =>
  ends.map((end) => (end.status === 'fulfilled' ? end.value.state : (end.reason.code ?? String(end.reason))))
const all = (ends: Ends) =>
  ends.map((end) => {
    if (end.status === 'rejected') throw end.reason
    return end.value
  })
const rolledBack = (count: number) => Array.from({ length: count }, () => 'E_SITE_ROLLED_BACK')

const rejoin = async (world: MemoryWorld, who: readonly string[], definition: Definition): Promise<Ends> => {
  const runs = await Promise.all(who.map((name) => startJoin(world, name, definition)))
  return Promise.allSettled(runs.map(({ done }) => done))
}

const verified = async (world: MemoryWorld, name: string, { bundle }: JoinResult) => {
  const bytes = (await world.homes.get(name)?.disk.read(bundle ?? '')) ?? expect.fail(`no bundle at ${name}`)
  return verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
}

/** At this moment of this site something else happens than its own record, or before it. */
const at = (site: string, record: RecordName, act: (value: never) => unknown) => {
  const { publish } = Ceremony.prototype
  vi.spyOn(Ceremony.prototype, 'publish').mockImplementation(async function (this: Ceremony, name, value) {
    const said = name === record && this.seat.name === site ? await act(value as never) : value
    return publish.call(this, name, said as never) as never
  })
}
const crash = () => {
  throw new Error('the power failed')
}

const refreshOf = async (world: MemoryWorld, made: Definition, nonce = 'b1') => {
  const base = await newestAt(world, eu)
  return refreshDefinition({
    ...{ sites: [...made.sites], deadlines, nonce: nonce.repeat(16) },
    ...{ key: base.key, base: recordHashOf(base), epoch: base.core.epoch + 1 },
  })
}

/** Those sites sign with this epoch. */
const signatureOf = async (here: MemoryWorld, made: Definition, signers: SiteId[], base: StoredEpoch) => {
  const message = utf8(`pay ${signers.join()}`)
  const definition = await signDefinition({
    ...{ sites: [...made.sites], threshold: made.threshold, key: base.key, base: recordHashOf(base), signers },
    nonce: hashOf(utf8(`${signers.join()} ${recordHashOf(base)}`)).slice(0, 32),
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
  return joinSites(here, signers, definition, message)
}

let world: MemoryWorld
let keygen: KeygenDefinition
/** The home of ap before it signed with all others. */
let old: MemoryDisk
beforeAll(async () => {
  world = await memoryWorld(names)
  keygen = await keygenDefinition({ sites: await siteEntries(names), deadlines })
  all(await joinSites(world, names, keygen))
  old = await backupOf(world, ap)
  all(await signatureBy(world, keygen, names))
})
afterEach(() => {
  vi.restoreAllMocks()
})

describe('a site that returns is bound again', () => {
  it('by its vote for a record of which nobody has all votes: it votes for no rival', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    const refresh = await refreshOf(here, keygen)
    at(eu, 'ready', crash)
    await joinSites(here, names, refresh)
    vi.restoreAllMocks()
    const { key } = await newestAt(here, eu)
    expect(await undecidedVotes(await memorySite(here, ap), key)).toMatchObject([{ ceremony: ceremonyId(refresh) }])
    const back = await setBack(here, ap, old)
    expect(await undecidedVotes(await memorySite(back, ap), key)).toEqual([])
    const [end] = all(await joinSites(back, names, await readmitOf(back, keygen, ap, { deadlines })))
    const [vote] = await undecidedVotes(await memorySite(back, ap), key)
    expect(vote).toMatchObject({ ceremony: ceremonyId(refresh) })
    const rival = await refreshOf(back, keygen, 'b2')
    const refused = refuseOtherParts(await memorySite(back, ap), rival)
    await expect(refused).rejects.toMatchObject({ code: 'E_NOT_FINISHED' })
    await expect(
      refuseOtherParts(await memorySite(back, ap), { ...rival, supersedes: [vote?.record ?? expect.fail()] }),
    ).resolves.toBeUndefined()
    const report = await verified(back, eu, end ?? expect.fail())
    expect(report.checks.find(({ id }) => id === 'readmit.promises')?.reason).not.toMatch(/^0 /)
    // In the ceremony itself it says nothing more: its log of it is lost.
    expect(codes(await rejoin(back, [ap], refresh))).toEqual(['E_LOG'])
  })

  it('by its promise to leave a key alone: it is suspended again, and signs nothing', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    const emergency = await emergencyOf(here, keygen, { deadlines })
    const { key, base } = emergency.fences
    all(await joinSites(here, names, emergency))
    const back = await setBack(here, ap, old)
    expect(suspendedIn((await memorySite(back, ap)).ledger).size).toBe(0)
    all(await joinSites(back, names, await readmitOf(back, keygen, ap, { deadlines, key, base })))
    const { ledger } = await memorySite(back, ap)
    expect(suspendedIn(ledger).get(emergency.fences.key)?.reason).toBe(emergency.fences.reason)
  })

  it('by its word that an old share is destroyed: the one that came back is destroyed too', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    const refresh = await refreshOf(here, keygen)
    let between: MemoryDisk | undefined
    at(ap, 'installed', async (value) => {
      between = await backupOf(here, ap)
      return value
    })
    all(await joinSites(here, names, refresh))
    vi.restoreAllMocks()
    // The others have not seen yet that its ledger went on.
    all(await signatureBy(here, keygen, names))
    const back = await setBack(here, ap, between ?? expect.fail())
    expect((await epochsAt(back, ap)).map(({ state }) => state)).toEqual(['installed', 'installed'])
    expect(codes(await signatureBy(back, keygen, [us, ap]))).toEqual(rolledBack(2))
    all(await joinSites(back, names, await readmitOf(back, keygen, ap, { deadlines })))
    expect((await epochsAt(back, ap)).map(({ state }) => state)).toEqual(['retired', 'installed'])
    all(await signatureBy(back, keygen, [eu, ap]))
  })

  it('by the share that it dealt away: it deals in no other reshare of the record', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    const reshare = await reshareOf(here, keygen, { sites: [eu, us, sa], threshold: 2 })
    at(eu, 'ready', crash)
    await joinSites(here, names, { ...reshare, deadlines })
    vi.restoreAllMocks()
    const back = await setBack(here, ap, old)
    const other = { ...(await reshareOf(back, keygen, { sites: [eu, us], threshold: 2 })), deadlines }
    await expect(refuseOtherParts(await memorySite(back, ap), other)).resolves.toBeUndefined()
    all(await joinSites(back, names, await readmitOf(back, keygen, ap, { deadlines })))
    await expect(refuseOtherParts(await memorySite(back, ap), other)).rejects.toMatchObject({ code: 'E_NOT_FINISHED' })
  })

  it('not where its share is of an older epoch: it is mended', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    all(await joinSites(here, names, await refreshOf(here, keygen)))
    const back = await setBack(here, ap, old)
    const base = recordHashOf(await newestAt(back, ap))
    // Planned at the home that does not know the newest record.
    const stale = await joinSites(back, names, await readmitOf(back, keygen, ap, { deadlines, base }))
    expect(codes(stale)).toEqual(['E_DEFINITION', 'E_DEFINITION', 'E_APPROVALS_MISSING', 'E_DEFINITION'])
    expect((stale[0] as PromiseRejectedResult).reason.message).toMatch(/mended, not readmitted/)
    const fresh = await readmitOf(back, keygen, ap, { deadlines, nonce: 'c1'.repeat(16) })
    expect(codes(await joinSites(back, [ap], fresh))).toEqual(['E_DEFINITION'])
  })
})

describe('liars and silent sites', () => {
  it('one that shows nothing, or what the site did not sign, takes no promise away, and is named', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    const refresh = await refreshOf(here, keygen)
    at(sa, 'ready', crash)
    await joinSites(here, names, refresh)
    vi.restoreAllMocks()
    const back = await setBack(here, ap, old)
    at(eu, 'readmitted', (value: Readmitted): Readmitted => {
      const [one] = value.promises
      if (one === undefined) return expect.fail('no promise')
      const definition = toBase64(utf8('{}'))
      return { ...value, promises: [{ ...one, definition }] }
    })
    const [, end] = all(await joinSites(back, names, await readmitOf(back, keygen, ap, { deadlines })))
    const { key } = await newestAt(back, eu)
    expect(await undecidedVotes(await memorySite(back, ap), key)).toMatchObject([{ ceremony: ceremonyId(refresh) }])
    const report = await verified(back, us, end ?? expect.fail())
    expect(report).toMatchObject({ verdict: 'valid', contradictions: [{ by: eu, checks: ['readmit.promises'] }] })
  })

  it('fewer than a threshold take nobody back, and the site is refused as before', async () => {
    const back = await setBack(world, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines, helpers: [eu, us] })
    at(us, 'readmitted', crash)
    const ends = await joinSites(back, [eu, us, ap], definition)
    expect(codes(ends)).toEqual(['E_NOT_FINISHED', 'Error: the power failed', 'E_NOT_FINISHED'])
    vi.restoreAllMocks()
    expect(codes(await signatureBy(back, keygen, [eu, ap]))).toEqual(rolledBack(2))
    // The next join goes on where they were stopped.
    expect(codes(await rejoin(back, [eu, us, ap], definition))).toEqual(['closed', 'closed', 'closed'])
    all(await signatureBy(back, keygen, [us, ap]))
  })

  it('one that is silent is not waited for; it takes the site back at its next join, and what it shows binds then', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    const back = await setBack(here, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines })
    at(sa, 'readmitted', crash)
    expect(codes(await joinSites(back, names, definition))).toEqual([
      ...['closed', 'closed', 'closed'],
      'Error: the power failed',
    ])
    vi.restoreAllMocks()
    expect(codes(await signatureBy(back, keygen, [ap, sa]))).toEqual(rolledBack(2))
    expect(codes(await rejoin(back, names, definition))).toEqual(['closed', 'closed', 'closed', 'closed'])
    all(await signatureBy(back, keygen, [us, ap, sa]))
  })

  it('a site that stops before it is bound again is taken back by nobody, until it goes on', async () => {
    const back = await setBack(world, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines })
    at(ap, 'rebound', crash)
    expect(codes(await joinSites(back, names, definition))).toEqual([
      ...['E_NOT_FINISHED', 'E_NOT_FINISHED', 'Error: the power failed', 'E_NOT_FINISHED'],
    ])
    vi.restoreAllMocks()
    expect(codes(await signatureBy(back, keygen, [us, ap]))).toEqual(rolledBack(2))
    all(await rejoin(back, names, definition))
    all(await signatureBy(back, keygen, [eu, ap]))
  })

  it('a site that returns with a head of another ledger is taken back by nobody', async () => {
    const back = await setBack(world, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines })
    const live = await ledgerOf(world, ap)
    at(ap, 'rebound', (value: object) => ({ ...value, head: toBase64(utf8(live.head?.note ?? '')), proof: [] }))
    const [first] = await joinSites(back, names, definition)
    expect(codes([first as never])).toEqual(['E_NOT_FINISHED'])
    vi.restoreAllMocks()
    expect(codes(await signatureBy(back, keygen, [us, ap]))).toEqual(rolledBack(2))
  })
})

describe('two homes of one site', () => {
  /** As `approve` does: its ledger says it. */
  const approvedEverywhere = async (here: MemoryWorld, who: readonly SiteId[], definition: Definition) => {
    const ceremony = ceremonyId(definition)
    for (const name of who) {
      await approveIn(here, name, definition)
      const { ledger } = await memorySite(here, name)
      ledger.append({ at: here.clock.now(), what: 'approved', ceremony, site: null, object: hashOf(utf8(name)) })
      await ledger.barrier()
    }
  }

  it('the one that was lost signs with the others after they approved: nobody takes the other back', async () => {
    const live = await backupOf(world, ap)
    const back = await setBack(world, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines })
    await approvedEverywhere(back, names, definition)
    const stolen = await backupOf(back, ap)
    const here = await setBack(back, ap, live)
    all(await signatureBy(here, keygen, [eu, us, ap]))
    const thief = await setBack(here, ap, stolen)
    const ends = await rejoin(thief, names, definition)
    expect(codes(ends).slice(0, 2)).toEqual(['E_NOT_ALLOWED', 'E_NOT_ALLOWED'])
    expect(codes(ends)[2]).toBe('E_NOT_FINISHED')
    expect((ends[0] as PromiseRejectedResult).reason.message).toContain('another home of it runs')
    // The site that lives goes on.
    const after = await setBack(thief, ap, await backupOf(here, ap))
    all(await signatureBy(after, keygen, [us, ap]))
  })

  it('two heads are approved: the first to be taken back stays, and the other one needs a new approval', async () => {
    const back = await setBack(world, ap, old)
    const one = await readmitOf(back, keygen, ap, { deadlines })
    await approvedEverywhere(back, [eu, us, sa], one)
    const forked = await setBack(back, ap, old)
    const { ledger } = await memorySite(forked, ap)
    ledger.append({ at: 1, what: 'resumed', ceremony: null, site: null, object: null })
    await ledger.barrier()
    const other = await readmitOf(forked, keygen, ap, { deadlines, nonce: 'd1'.repeat(16) })
    await approvedEverywhere(back, [eu, us, sa], other)
    await approveIn(back, ap, one)
    all(await rejoin(back, names, one))
    const copy = await backupOf(forked, ap)
    const second = await setBack(back, ap, copy)
    await approveIn(second, ap, other)
    const ends = await rejoin(second, names, other)
    expect(codes(ends).slice(0, 2)).toEqual(['E_NOT_ALLOWED', 'E_NOT_ALLOWED'])
    expect((ends[0] as PromiseRejectedResult).reason.message).toContain('another readmission')
    all(await signatureBy(back, keygen, [us, ap]))
    // People who know of the first one may decide anew.
    const anew = await setBack(back, ap, copy)
    const last = await readmitOf(anew, keygen, ap, { deadlines, nonce: 'd2'.repeat(16) })
    await approvedEverywhere(anew, names, last)
    all(await rejoin(anew, names, last))
    all(await signatureBy(anew, keygen, [us, ap, sa]))
  })

  it('a home that is no copy of the one that all approved is not joined from', async () => {
    const back = await setBack(world, ap, old)
    const { ledger } = await memorySite(back, ap)
    ledger.append({ at: 1, what: 'resumed', ceremony: null, site: null, object: null })
    await ledger.barrier()
    const definition = await readmitOf(back, keygen, ap, { deadlines })
    const thief = await setBack(back, ap, old)
    expect(codes(await joinSites(thief, [ap], definition))).toEqual(['E_SITE_ROLLED_BACK'])
  })
})

describe('beside other ceremonies of the same homes', () => {
  /** These joins at once, each home opened once. */
  const atOnce = async (
    sites: ReadonlyMap<string, Site>,
    joins: readonly (readonly [SiteId, Definition, Uint8Array | null])[],
  ) => {
    const here = (name: SiteId): Site => sites.get(name) ?? expect.fail(`no site ${name}`)
    const runs = await Promise.all(
      joins.map(([name, definition, message]) => startJoin(world, name, definition, message, here(name))),
    )
    return Promise.allSettled(runs.map(({ done }) => done))
  }
  const signing = async (here: MemoryWorld, signers: SiteId[]) => {
    const base = await newestAt(here, eu)
    const message = utf8('pay beside it')
    const definition = await signDefinition({
      ...{ sites: [...keygen.sites], deadlines, key: base.key, base: recordHashOf(base), signers },
      message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
    })
    return { definition, message }
  }

  it('a signature of the others goes on', async () => {
    const back = await setBack(world, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines })
    const { definition: sign, message } = await signing(back, [eu, us])
    for (const name of names) await approveIn(back, name, definition)
    for (const name of [eu, us]) await approveIn(back, name, sign)
    const sites = new Map(await Promise.all(names.map(async (name) => [name, await memorySite(back, name)] as const)))
    const joins = [...names.map((name) => [name, definition, null] as const)]
    const ends = await atOnce(sites, [...joins, [eu, sign, message], [us, sign, message]])
    expect(codes(ends)).toEqual(Array.from({ length: 6 }, () => 'closed'))
    all(await signatureBy(back, keygen, [us, ap]))
  })

  it('one in which the other home signs: never both are taken', async () => {
    const live = await backupOf(world, ap)
    const back = await setBack(world, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines })
    for (const name of names) await approveIn(back, name, definition)
    const { definition: sign, message } = await signing(back, [eu, ap])
    const clone = await setBack(back, ap, live)
    await approveIn(clone, ap, sign)
    await approveIn(back, eu, sign)
    const sites = new Map(await Promise.all(names.map(async (name) => [name, await memorySite(back, name)] as const)))
    const other = await memorySite(clone, ap)
    const [taken, signed] = await Promise.all([
      atOnce(sites, [...names.map((name) => [name, definition, null] as const), [eu, sign, message]]),
      atOnce(new Map([[ap, other]]), [[ap, sign, message]]),
    ])
    const identity = definition.sites.find(({ name }) => name === ap)?.identity ?? expect.fail()
    // Whichever came first at eu: there only one of the two chains of heads goes on.
    const known = (await memorySite(back, eu)).peerHeads
    const head = known.of(identity) ?? expect.fail()
    const [returned, living] = [await ledgerOf(back, ap), await ledgerOf(clone, ap)]
    const isOf = (ledger: typeof returned): boolean => head.size <= ledger.size && ledger.root(head.size) === head.root
    expect([isOf(returned), isOf(living)].filter(Boolean)).toHaveLength(1)
    expect(known.hasReadmitted(identity, ceremonyId(definition))).toBe(isOf(returned))
    for (const end of [...taken, ...signed])
      if (end.status === 'rejected') expect(end.reason.code).toMatch(/^E_(?!BUG)/)
  })
})

describe('a site with two keys', () => {
  it('is taken back for the key whose sites decided; for the other it is refused until they do', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    const second = await keygenDefinition({
      ...{ name: 'payroll', nonce: 'e1'.repeat(16), threshold: 2, deadlines },
      sites: await siteEntries([eu, ap, sa]),
    })
    const first = (await epochsAt(here, us))[0] ?? expect.fail()
    const copy = await (async () => {
      all(await joinSites(here, [eu, ap, sa], second))
      const kept = await backupOf(here, ap)
      all(await signatureOf(here, keygen, [eu, us, ap], first))
      return kept
    })()
    const back = await setBack(here, ap, copy)
    const of = (key: string) => async (name: string) =>
      (await epochsAt(back, name)).find((one) => (one.key === key) === true) ?? expect.fail()
    const one = await readmitOf(back, keygen, ap, { deadlines, key: first.key, base: recordHashOf(first) })
    all(await joinSites(back, names, one))
    all(await signatureOf(back, keygen, [us, ap], await of(first.key)(ap)))
    const payroll = (await epochsAt(back, ap)).find(({ key }) => key !== first.key) ?? expect.fail()
    expect(codes(await signatureOf(back, second, [eu, ap], payroll))).toEqual(rolledBack(2))
    const other = await readmitOf(back, second, ap, {
      ...{ deadlines, key: payroll.key, base: recordHashOf(payroll), nonce: 'e2'.repeat(16) },
    })
    all(await joinSites(back, [eu, ap, sa], other))
    all(await signatureOf(back, second, [ap, sa], payroll))
    all(await signatureOf(back, keygen, [eu, ap], await of(first.key)(ap)))
  })
})
