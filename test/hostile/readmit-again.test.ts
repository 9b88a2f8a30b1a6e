import { createHash } from 'node:crypto'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { ledgerOrigin, signCheckpoint } from '../../src/audit/note.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import { undecidedVotes } from '../../src/ceremony/epoch/rivals.ts'
import { definitionPath } from '../../src/ceremony/paths.ts'
import { LedgerExchange } from '../../src/ceremony/peers/ledger-exchange.ts'
import type { Site } from '../../src/ceremony/ports.ts'
import { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import { rawSigner } from '../../src/identity/ed25519.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { equal, fromHex, fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { ceremonyId, type Definition, definitionCodec } from '../../src/records/definition.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, refreshDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, type MemoryWorld, memorySite, memoryWorld, startJoin } from '../support/memory-site.ts'
import { backupOf, ledgerOf, readmitOf, setBack } from '../support/readmits.ts'
import { joinSites, newestAt, recordHashOf, reshareOf, signatureBy } from '../support/reshares.ts'

/** Found by an attack on the readmission: who is late, who was left out, who was set back twice, and two homes at once. */

const names = ['eu', 'us', 'ap', 'sa'] as SiteId[]
const [eu, us, ap, sa] = names as [SiteId, SiteId, SiteId, SiteId]
const deadlines = { gather: 30, proposal: 5, round: 20, close: 10 }

type Ends = readonly PromiseSettledResult<JoinResult>[]
const codes = (ends: Ends) =>
  ends.map((end) => (end.status === 'fulfilled' ? end.value.state : (end.reason.code ?? String(end.reason))))
const all = (ends: Ends): void => {
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
const crash = (): never => {
  throw new Error('the power failed')
}
const rejoin = async (world: MemoryWorld, who: readonly string[], definition: Definition): Promise<Ends> => {
  const runs = await Promise.all(who.map((name) => startJoin(world, name, definition)))
  return Promise.allSettled(runs.map(({ done }) => done))
}
/** In the place of a record of this site something else happens. */
const at = (site: string, record: string, act: (own: Ceremony) => unknown) => {
  const { publish } = Ceremony.prototype
  vi.spyOn(Ceremony.prototype, 'publish').mockImplementation(async function (this: Ceremony, name, value) {
    if (name === record && this.seat.name === site) await act(this)
    return publish.call(this, name, value as never) as never
  })
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
const identity = () => keygen.sites.find(({ name }) => name === ap)?.identity ?? expect.fail()

const message = utf8('pay any')
const signOf = async (here: MemoryWorld, signers: 'any' | SiteId[], nonce: string) => {
  const base = await newestAt(here, eu)
  return signDefinition({
    ...{ sites: [...keygen.sites], threshold: keygen.threshold, key: base.key, base: recordHashOf(base), deadlines },
    ...{ signers, nonce: nonce.repeat(16) },
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
}

/** A reshare of ap and sa alone, in which ap votes, and sa loses power when it has seen that. */
const lostVote = async (here: MemoryWorld): Promise<void> => {
  const plan = { ...(await reshareOf(here, keygen, { sites: [ap, sa], threshold: 2 })), deadlines }
  const reshare = { ...plan, from: { ...plan.from, dealers: [ap, sa] } }
  for (const name of [ap, sa]) await approveIn(here, name, reshare)
  at(sa, 'ready', async ({ store, log }) => {
    await store.until(() => store.ready.has(ap) || undefined, 5000)
    await log.barrier()
    crash()
  })
  await rejoin(here, [ap, sa], reshare)
  vi.restoreAllMocks()
}

describe('a site that was taken back', () => {
  it.each([
    { who: 'sits in the room and could sign', signers: 'any' as const },
    { who: 'sits in the room and is no signer', signers: [eu, ap] },
  ])('signs where one that had no part in that $who', async ({ signers }) => {
    const back = await setBack(world, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines, helpers: [eu, us] })
    all(await joinSites(back, [eu, us, ap], definition))
    const sign = await signOf(back, signers, 'a8')
    for (const name of [eu, ap, sa]) await approveIn(back, name, sign)
    const first = await Promise.all([ap, sa].map((name) => startJoin(back, name, sign, message)))
    await back.clock.sleep(3000)
    const late = await startJoin(back, eu, sign, message)
    const [atAp, , atEu] = codes(await Promise.allSettled([...first, late].map(({ done }) => done)))
    expect([atAp, atEu]).toEqual(['closed', 'closed'])
  })

  it('is not taken by a late one whose word it never took in: that one knows of a vote that the others do not', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    await lostVote(here)
    const back = await setBack(here, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines })
    at(sa, 'readmitted', crash)
    await joinSites(back, names, definition)
    vi.restoreAllMocks()
    expect(codes(await rejoin(back, [eu, us, sa], definition))).toEqual(['closed', 'closed', 'E_NOT_FINISHED'])
    const [atUs, atSa] = [await memorySite(back, us), await memorySite(back, sa)]
    expect(atUs.peerHeads.hasReadmitted(identity(), ceremonyId(definition))).toBe(true)
    expect(atSa.peerHeads.hasReadmitted(identity(), ceremonyId(definition))).toBe(false)
    // Another readmission, with its word, binds the site.
    const again = await readmitOf(back, keygen, ap, { deadlines, nonce: '7a'.repeat(16) })
    all(await joinSites(back, names, again))
    const { key } = await newestAt(back, eu)
    expect(await undecidedVotes(await memorySite(back, ap), key)).toHaveLength(1)
  })

  it('and goes back behind that, is bound by what was shown to it then', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    await lostVote(here)
    const back = await setBack(here, ap, old)
    all(await joinSites(back, names, await readmitOf(back, keygen, ap, { deadlines })))
    const { key } = await newestAt(back, eu)
    expect(await undecidedVotes(await memorySite(back, ap), key)).toHaveLength(1)
    const again = await setBack(back, ap, old)
    const helpers = { deadlines, helpers: [eu, us], nonce: '77'.repeat(16) }
    all(await joinSites(again, [eu, us, ap], await readmitOf(again, keygen, ap, helpers)))
    expect(await undecidedVotes(await memorySite(again, ap), key)).toHaveLength(1)
  })

  it('is the one home of two, also where the other one comes while the disk of a peer is busy', async () => {
    const live = await backupOf(world, ap)
    const back = await setBack(world, ap, old)
    const definition = await readmitOf(back, keygen, ap, { deadlines })
    for (const name of names) await approveIn(back, name, definition)
    const sign = await signOf(back, [eu, ap], 'a9')
    const clone = await setBack(back, ap, live)
    await approveIn(clone, ap, sign)
    await approveIn(back, eu, sign)
    const sites = new Map(await Promise.all(names.map(async (name) => [name, await memorySite(back, name)] as const)))
    const { ledger } = sites.get(eu) as Site
    const { append, barrier } = ledger
    let signing: Promise<Ends> | undefined
    let isBusy = false
    vi.spyOn(ledger, 'append').mockImplementation((...given) => {
      isBusy = given[0].what === 'peer-readmitted'
      return append.apply(ledger, given)
    })
    vi.spyOn(ledger, 'barrier').mockImplementation(async () => {
      if (isBusy) {
        isBusy = false
        const other = await memorySite(clone, ap)
        const runs = [
          await startJoin(world, eu, sign, message, sites.get(eu)),
          await startJoin(world, ap, sign, message, other),
        ]
        signing = Promise.allSettled(runs.map(({ done }) => done))
        await world.clock.sleep(2000)
      }
      return barrier.apply(ledger)
    })
    const runs = await Promise.all(names.map((name) => startJoin(world, name, definition, null, sites.get(name))))
    expect(codes(await Promise.allSettled(runs.map(({ done }) => done)))).toEqual(names.map(() => 'closed'))
    expect(codes((await signing) ?? [])).toEqual(['E_SITE_ROLLED_BACK', 'E_SITE_ROLLED_BACK'])
    const returned = await ledgerOf(back, ap)
    for (const name of [eu, us]) {
      const known = (await memorySite(back, name)).peerHeads.of(identity()) ?? expect.fail('no head')
      expect([name, returned.root(known.size)]).toEqual([name, known.root])
    }
  })

  it('has two log keys: a head under the one that nobody sees there is shown by no helper, and names none of them', async () => {
    const back = await setBack(world, ap, old)
    const { peerHeads, ledger } = await memorySite(back, eu)
    const head = peerHeads.of(identity()) ?? expect.fail('no head')
    const other = rawSigner(new Secret(new Uint8Array(32).fill(0x42)))
    const lies = { origin: ledgerOrigin(identity()), size: head.size + 1, root: fromHex(head.root) }
    const note = utf8(signCheckpoint(lies, other))
    ledger.append({ at: 1, what: 'peer-ledger', ceremony: ceremonyId(keygen), site: ap, object: hashOf(note) }, note)
    await ledger.barrier()
    // The liar answers as if it had not heard which head eu remembers.
    const { remembered } = LedgerExchange.prototype
    vi.spyOn(LedgerExchange.prototype, 'remembered').mockImplementation(function (this: LedgerExchange, from, said) {
      return remembered.call(this, from, equal(said, note) ? new Uint8Array() : said)
    })
    const ends = await joinSites(back, names, await readmitOf(back, keygen, ap, { deadlines }))
    const [end] = ends.flatMap((one) => (one.status === 'fulfilled' && one.value.site === us ? [one.value] : []))
    const bytes = await back.homes.get(us)?.disk.read(end?.bundle ?? '')
    const bundle = await open(bytes ?? expect.fail(codes(ends).join()))
    const report = await verifyBundle(bundle, { trust: 'stated', evidence: protocolEvidence })
    expect([report.verdict, report.contradictions]).toEqual(['valid', []])
  })

  it('overwrites no definition, where a planner found two of one short id', async () => {
    const here = await setBack(world, sa, await backupOf(world, sa))
    const base = await newestAt(here, eu)
    const zero = '00'.repeat(16)
    const refresh = await refreshDefinition({
      ...{ sites: [...keygen.sites], deadlines, key: base.key, base: recordHashOf(base), epoch: 2, nonce: zero },
    })
    const sign = await signOf(here, [eu, ap], '00')
    const shortIds = (definition: Definition) => {
      const [before = '', after = ''] = fromUtf8(definitionCodec.encode(definition)).split(zero)
      const prefix = createHash('sha256').update(before)
      return (n: number): string => prefix.copy().update(nonceOf(n)).update(after).digest('hex').slice(0, 8)
    }
    const nonceOf = (n: number): string => n.toString(16).padStart(32, '0')
    const [idOf, otherOf] = [shortIds(refresh), shortIds(sign)]
    const seen = new Map(Array.from({ length: 2 ** 17 }, (_, n) => [idOf(n), n]))
    let n = 0
    while (!seen.has(otherOf(n))) n += 1
    const one = { ...refresh, nonce: nonceOf(seen.get(otherOf(n)) ?? 0) }
    const other = { ...sign, nonce: nonceOf(n) }
    at(eu, 'ready', crash)
    await joinSites(here, names, one)
    vi.restoreAllMocks()
    const back = await setBack(here, ap, old)
    const { disk } = back.homes.get(ap) ?? expect.fail()
    const path = definitionPath(ceremonyId(other))
    await disk.folder(path.replace('/definition.json', ''))
    await disk.create(path, definitionCodec.encode(other))
    await approveIn(back, ap, other)
    const ends = codes(await joinSites(back, names, await readmitOf(back, keygen, ap, { deadlines })))
    expect(ends[names.indexOf(ap)]).toBe('E_DEFINITION')
    expect(await disk.read(path)).toEqual(definitionCodec.encode(other))
  })
})
