import { describe, expect, test } from 'vitest'
import { sourceFiles, sourceText } from '../../scripts/imports.mjs'
import { definitionAuthority, type Member } from '../../src/ceremony/definition/authority.ts'
import { newestEpoch } from '../../src/ceremony/epoch/epoch.ts'
import { madeWithout, soFar } from '../../src/ceremony/gather/so-far.ts'
import type { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import { writeNote } from '../../src/ceremony/store/notes.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { openHome } from '../../src/identity/home.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Disk } from '../../src/lib/ports.ts'
import { approveAll, joinAs } from '../hostile/ceremonies.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { memorySite, memoryWorld } from '../support/memory-site.ts'

/**
 * Who reads "nothing has happened yet" starts anew, and with a signature people pay twice. So every sentence that says so
 * stands here with the facts that make it true, and a new one fails this test.
 */
const CLAIM = /nothing (?:(?:has )?happened|was done)/g

const claims: Readonly<Record<string, string>> = {
  'ceremony/gather/so-far.ts': 'no attempt in the own log, no promise in it, and no note that says done or closed',
  'cli/abort-command.ts': 'the full id or the name was not given: the abort is not asked of anybody before that',
  'site/abort-reason.ts': 'the reason is looked at before the home is opened',
  'site/home-request.ts': 'the owner refuses what it does not understand before it touches the home',
  'cli/fault.ts': 'the command line was not understood: no command ran',
  'cli/exit-codes.ts': 'exit 2 is for a command line or a file that was refused before any work',
  'lib/errors.ts': 'E_USAGE: the command line was not understood',
}

test('every sentence that says that nothing happened is one whose facts are known', () => {
  const found = sourceFiles.filter((file) => {
    const code = sourceText(file).replace(/\/\*\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    return [...code.matchAll(CLAIM)].length > 0
  })
  expect([...found].sort()).toEqual(Object.keys(claims).sort())
})

const sites = ['s1', 's2', 's3'] as SiteId[]

describe('how far a ceremony has come', () => {
  const ceremony = (bound: string | undefined, attempts: number, kind: 'keygen' | 'sign' = 'sign'): Ceremony =>
    ({
      kind: { boundBy: () => bound },
      log: undefined,
      seat: { name: 's1' },
      authority: { definition: { kind } },
      attempts: Array.from({ length: attempts }, () => 'aa'.repeat(32)),
    }) as unknown as Ceremony
  const noted = (...said: (string | undefined)[]) =>
    said.map((phase, at) => ({ member: { name: sites[at + 1] } as Member, said: phase }))

  test.each([
    [undefined, 0, [], 'nothing has happened yet'],
    [undefined, 0, ['gathering', 'approved'], 'nothing has happened yet'],
    [undefined, 0, ['gathering', 'running'], 'the signature may be made without this site: s3 is at it'],
    [undefined, 2, ['gathering'], 'nothing that this site gave can be used without it'],
    [
      'it has sent a signature share',
      1,
      ['gathering'],
      'the signature may exist at the others: this site has sent a signature share',
    ],
    [
      'an attempt that it signed may still bring the signature',
      1,
      [],
      'the signature may exist at the others: an attempt that this site signed may still bring the signature',
    ],
    ['it has sent a signature share', 1, ['closed'], 'the signature is made, says s2, who has it'],
    [undefined, 0, ['closed', 'done'], 'the signature is made, say s2, s3, who have it'],
  ])('bound by %j, %i attempts, notes that say %j: %s', (bound, attempts, said, sentence) => {
    expect(soFar(ceremony(bound, attempts), noted(...said))).toBe(sentence)
  })
})

const message = Uint8Array.of(7)

/** Three sites that have made a key and approved to sign with it. */
const approved = async () => {
  const world = await memoryWorld(sites)
  const keygen = await keygenDefinition({ sites: await siteEntries(sites) })
  await approveAll(world, sites, keygen)
  const made = await Promise.all(sites.map((site) => joinAs(world, site, keygen, null)))
  const key = made[0]?.result?.key?.id as Hash
  const base = (await newestEpoch(await memorySite(world, 's1'), key)).hash
  const definition = await signDefinition({
    sites: await siteEntries(sites),
    key,
    base,
    message: { form: 'file', name: 'm', size: 1, sha256: hashOf(message) },
    deadlines: { gather: 900, proposal: 5, round: 30, close: 16 },
  })
  await approveAll(world, sites, definition)
  return { world, definition }
}

test('a site that comes after the signature was made is told so at once, and gets it from whoever joins beside it', async () => {
  const { world, definition } = await approved()
  const join = (site: SiteId) => joinAs(world, site, definition, message)
  const signed = await Promise.all(sites.slice(0, 2).map(join))
  expect(signed.map(({ error }) => error)).toEqual([undefined, undefined])

  const began = world.clock.monotonic()
  const { error } = await join('s3' as SiteId)
  expect(error).toMatchObject({
    code: 'E_QUORUM',
    message: 'signed without s3, as s1, s2 say',
    details: { finished: ['s1', 's2'] },
  })
  expect(world.clock.monotonic() - began).toBeLessThan(20_000)

  const [late, helper] = await Promise.all([join('s3' as SiteId), join('s1' as SiteId)])
  expect([late.error, helper.error]).toEqual([undefined, undefined])
  expect(late.result?.signature).toBe(signed[0]?.result?.signature)
})

test('a site that took part is not told that it was left out', () => {
  const ceremony = (attempts: number): Parameters<typeof madeWithout>[0] =>
    ({
      seat: { name: 's1' },
      attempts: Array.from({ length: attempts }, () => 'aa'.repeat(32)),
      authority: {
        hash: 'aa'.repeat(32),
        definition: { kind: 'sign' },
        seats: 2,
        candidates: [{ name: 's1' }, { name: 's2' }],
      },
    }) as unknown as Parameters<typeof madeWithout>[0]
  const noted = [{ member: { name: 's2' } as Member, said: 'closed' }]
  expect(madeWithout(ceremony(0), noted)?.message).toBe('signed without s1, as s2 says')
  expect(madeWithout(ceremony(1), noted)?.message).toBe('signed, as s2 says; nobody who has the signature is here')
  expect(madeWithout(ceremony(0), [{ ...noted[0], said: 'running' } as (typeof noted)[number]])).toBeUndefined()
})

test('one liar that says closed keeps nobody from signing', async () => {
  const { world, definition } = await approved()
  const thief = await openHome(world.homes.get('s3')?.disk as Disk)
  const store = new RecordStore(definitionAuthority(definition), world.clock)
  const site = await memorySite(world, 's3')
  const room = await site.connect(definitionAuthority(definition))
  room.post(await writeNote(thief, world.clock, store, 'closed', null))
  const signed = await Promise.all(sites.slice(0, 2).map((one) => joinAs(world, one, definition, message)))
  expect(signed.map(({ error }) => error)).toEqual([undefined, undefined])
})
