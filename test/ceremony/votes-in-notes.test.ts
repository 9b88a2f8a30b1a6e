import { expect, it } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { ceremonyFolder } from '../../src/ceremony/paths.ts'
import { writeNote } from '../../src/ceremony/store/notes.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { systemClock } from '../../src/host/clock.ts'
import { certify } from '../../src/identity/certificate.ts'
import { fromEnvelope, toEnvelope } from '../../src/identity/dsse.ts'
import { rawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { approvalCodec } from '../../src/records/identity.ts'
import { noteCodec } from '../../src/records/note.ts'
import { readyCodec } from '../../src/records/outcome.ts'
import { approveAll, type Joined, joinAs, leftAt } from '../hostile/ceremonies.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { copyWorld, type MemoryWorld, memorySite, memoryWorld } from '../support/memory-site.ts'
import { report } from '../support/report.ts'

/**
 * s1 and s3 vote, s2 stops before its vote. s2 comes back while s3 is away: it votes under the message key of its new
 * join, which s3 has never met. Then both are gone, and s3 comes back to a room that holds nothing but notes.
 */

const names = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2, s3] = names as [SiteId, SiteId, SiteId]
const stopped = new QuorateError('E_STOPPED', 'stopped', 'run it again')

const waitsFor = ({ error }: Joined): unknown => {
  expect(error).toMatchObject({ code: 'E_NOT_FINISHED' })
  const { step, waiting } = (error as QuorateError).details
  return [step, waiting]
}

/** A join whose notes nobody ever sees. */
const mute = async (world: MemoryWorld, name: SiteId) => {
  const site = await memorySite(world, name)
  const connect: typeof site.connect = async (to) => ({ ...(await site.connect(to)), post: () => undefined })
  return { site: { connect } }
}

/** Everything up to the moment when s3 is alone with the notes of those who `post`. */
const untilAlone = async (world: MemoryWorld, definition: Definition, posting: readonly SiteId[]): Promise<void> => {
  const stop = new AbortController()
  const first = await Promise.all([
    joinAs(world, s1, definition, null),
    joinAs(world, s2, definition, null, undefined, {
      stop: stop.signal,
      progress: (event) => {
        if (event.phase === 'step' && event.step === 'proven' && event.got === event.total) stop.abort(stopped)
      },
    }),
    joinAs(world, s3, definition, null),
  ])
  expect(first[1]?.error).toBe(stopped)
  for (const one of [first[0], first[2]]) expect(waitsFor(one as Joined)).toEqual(['ready', [s2]])
  const join = async (name: SiteId): Promise<Joined> =>
    joinAs(world, name, definition, null, undefined, posting.includes(name) ? {} : await mute(world, name))
  for (const one of await Promise.all([join(s1), join(s2)])) expect(waitsFor(one)).toEqual(['installed', [s3]])
}

it.each([
  ['that both voters left', [s1, s2]],
  // Its own vote was all that s2 had to say, and it reached s1 alone.
  ['that one site left, with the votes that it had seen', [s1]],
  ['that the last voter left', [s2]],
])('a site that never met a voter’s key installs by notes %s', async (_, posting) => {
  const world = await copyWorld(await memoryWorld(names), 'notes')
  const definition = await keygenDefinition({
    sites: await siteEntries(names),
    deadlines: { gather: 30, proposal: 5, round: 30, close: 16 },
  })
  await approveAll(world, names, definition)
  await untilAlone(world, definition, posting)
  const before = await leftAt(world, s3, definition)
  expect([before.ready, before.installed]).toEqual([true, 0])
  expect(waitsFor(await joinAs(world, s3, definition, null))).toEqual(['installed', [s1, s2]])
  expect((await leftAt(world, s3, definition)).installed).toBe(1)
  const last = await Promise.all(names.map((name) => joinAs(world, name, definition, null)))
  expect(last.map(({ error }) => error)).toEqual([undefined, undefined, undefined])
})

it('a note has room for the votes of 32 sites and the keys that they voted under', async () => {
  const roster = Array.from({ length: 32 }, (_, at) => `site-${at}`.padEnd(32, 'x') as SiteId)
  const definition = await keygenDefinition({ threshold: 17, sites: await siteEntries(roster) })
  const ceremony = ceremonyId(definition)
  const store = new RecordStore(definitionAuthority(definition), systemClock)
  const record = hashOf(utf8('record'))
  const homes = await Promise.all(roster.map((name) => memoryHome(name)))
  for (const [at, { home }] of homes.entries()) {
    const site = roster[at] as SiteId
    const raw = rawSigner(new Secret(fromHex(hashOf(utf8(site)))))
    const { signer, identity } = await home.unlock()
    const join = { authority: ceremony, expires: 253_402_300_799_999 }
    const approval = { ceremony, identity, role: 'site', purpose: 'approve', at: join.expires } as const
    store.admit('certificate', toEnvelope(await certify(signer, identity, 'message', raw.key, join)), null)
    store.admit('approval', toEnvelope(await signer.sign(approvalCodec, approval)), null)
    const vote = await recordSigner(site, raw).sign(readyCodec, { ceremony, site, record, base: null })
    store.admit('ready', toEnvelope(vote), null)
  }
  const [first] = homes
  const { home, disk } = first ?? expect.fail()
  await disk.folder(ceremonyFolder(ceremony))
  const note = await writeNote(home, systemClock, store, 'ready', null)
  const { value } = fromEnvelope(noteCodec, note, [home.keys.note.key])
  expect([value.votes.length, value.certificates.length, value.approvals.length]).toEqual([32, 32, 32])
  // Two proofs of the greatest size that a note takes stand in it, too.
  const proofs = ['a'.repeat(65_535), 'b'.repeat(65_535)]
  expect(noteCodec.encode({ ...value, evidence: proofs, abort: 'x'.repeat(280) }).length).toBeLessThan(noteCodec.limit)
  report(`a note of 32 sites: ${noteCodec.encode(value).length} bytes, ${noteCodec.limit} are allowed`)
})
