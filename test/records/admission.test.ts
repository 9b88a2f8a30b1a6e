import { describe, expect, it } from 'vitest'
import { parseIdentity } from '../../src/identity/identity.ts'
import type { Hash, Index, KeyHex, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { refusal } from '../../src/records/admission.ts'
import type { Attempt } from '../../src/records/attempt.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import type { Author, RecordFacts } from '../../src/records/record-row.ts'
import { type RecordName, recordNames, rowOf } from '../../src/records/record-table.ts'
import {
  emergencyDefinition,
  keygenDefinition,
  readmitDefinition,
  reconstructDefinition,
  refreshDefinition,
  reshareDefinition,
  rewrapDefinition,
} from '../support/definition.ts'

/** Each reason for which a record is refused. Sites and `audit verify` ask the same function, so nothing else would notice. */

const hash = (text: string): Hash => hashOf(utf8(text))
const [eu, us] = ['eu', 'us'] as [SiteId, SiteId]
const key = hash('key of eu') as string as KeyHex
const other = hash('something else')
const definition = await keygenDefinition()
const replacing = await refreshDefinition({ base: hash('replaced') })
const giving = await reconstructDefinition()
const takingBack = await readmitDefinition({ returning: 'us' as SiteId, helpers: ['eu', 'ap'] as SiteId[] })
const comingBack = await readmitDefinition({ returning: 'eu' as SiteId, helpers: ['us', 'ap'] as SiteId[] })
const moving = await rewrapDefinition()
const fencing = await emergencyDefinition()
const ceremony = ceremonyId(definition)
const [identity, ofUs] = definition.sites.map((one) => one.identity) as unknown as [string, string]
const identityKey = parseIdentity(identity as never)?.key as KeyHex
const at = Date.parse(definition.window.opens) + 1000
const expires = at + 1_000_000
const certificate = { identity, purpose: 'message', key, authority: ceremony, expires }
const attempt: Attempt = {
  ceremony,
  number: 1,
  participants: definition.sites.map(({ name }, place) => ({
    site: name,
    key: (place === 0 ? key : hash(name)) as KeyHex,
    hello: hash(`hello ${name}`),
    last: null,
  })),
  base: null,
  round: definition.deadlines.round,
  at,
  coordinator: eu,
}
const [first, ...more] = attempt.participants as [Attempt['participants'][number], Attempt['participants'][number]]
const author = {
  identity,
  site: eu,
  index: 1 as Index,
  key,
  certificates: [{ value: certificate, hash: hash('certificate') }],
} as unknown as Author
const facts: RecordFacts = {
  definition,
  ceremony,
  testSets: [[1, 2] as Index[], [2, 3] as Index[]],
  identityKey: (one) => parseIdentity(one)?.key,
  started: (one) => (one === hash('begun') ? attempt : undefined),
  owners: () => [],
  voted: (site, record) => site === eu && record === hash('voted'),
}

interface Good {
  readonly value: object
  /** Changes, and the reason for which each is refused. */
  readonly bad: readonly (readonly [change: object, why: string])[]
  readonly key?: KeyHex
  /** Of another kind, where a keygen has no such record. */
  readonly definition?: RecordFacts['definition']
}

const ceremonyOf = [{ ceremony: other }, 'of another ceremony'] as const
const siteOf = [{ site: us }, 'of another site'] as const
const indexOf = [{ index: 2 }, 'of another index'] as const
const unfit = 'for another ceremony, or of a purpose that does not fit'
const notStarted = 'of an attempt that not all signed'
const lateOrEarly = 'begun outside of the window, or after its signer’s key had expired'

const records: Readonly<Record<RecordName, Good>> = {
  certificate: {
    value: certificate,
    key: identityKey,
    bad: [
      [{ identity: ofUs }, 'of another identity'],
      [{ authority: other }, unfit],
      [{ authority: null }, unfit],
      [{ expires: null }, unfit],
      [{ purpose: 'log' }, unfit],
      [{ purpose: 'log', authority: null }, unfit],
      [{ purpose: 'note', expires: null }, unfit],
    ],
  },
  approval: {
    value: { ceremony, identity, role: 'site', purpose: 'approve', at },
    key: identityKey,
    bad: [ceremonyOf, [{ identity: ofUs }, 'signed by another identity'], [{ role: 'approver' }, 'in another role']],
  },
  hello: {
    value: { ceremony, site: eu, certificate: hash('certificate') },
    bad: [ceremonyOf, siteOf, [{ certificate: other }, 'under another certificate']],
  },
  attempt: {
    value: attempt,
    bad: [
      ceremonyOf,
      [{ participants: [{ ...first, key: other }, ...more] }, 'signed by no participant'],
      [{ participants: [{ ...first, site: us }, ...more] }, 'signed by no participant'],
      [{ participants: [first] }, 'not one of this definition'],
      [{ participants: [first, ...[...more].reverse()] }, 'not one of this definition'],
      [{ coordinator: us }, 'not one of this definition'],
      [{ base: other }, 'not one of this definition'],
      [{ round: attempt.round + 1 }, 'not one of this definition'],
      [{ at: Date.parse(definition.window.opens) - 1 }, lateOrEarly],
      [{ at: Date.parse(definition.window.closes) + 1 }, lateOrEarly],
      [{ at: expires + 1 }, lateOrEarly],
    ],
  },
  staged: {
    value: { ceremony, attempt: hash('begun'), site: eu, index: 1, outcome: other, envelope: other },
    bad: [ceremonyOf, siteOf, indexOf, [{ attempt: other }, notStarted]],
  },
  possession: {
    value: { ceremony, record: other, site: eu, index: 1, proof: '00' },
    bad: [ceremonyOf, siteOf, indexOf],
  },
  'test-signature': {
    value: { ceremony, record: other, site: eu, signers: [1, 2], signature: '00' },
    bad: [
      ceremonyOf,
      siteOf,
      [{ signers: [2, 3] }, 'of a set that is none of its author’s'],
      [{ signers: [1, 3] }, 'of a set that is none of its author’s'],
    ],
  },
  ready: {
    value: { ceremony, site: eu, record: other, base: null },
    bad: [ceremonyOf, siteOf, [{ base: other }, 'for another base']],
  },
  installed: {
    value: { ceremony, site: eu, record: hash('voted') },
    bad: [ceremonyOf, siteOf, [{ record: other }, 'of a record that its site did not vote for']],
  },
  fenced: {
    definition: fencing,
    value: { ceremony, site: eu, key: fencing.fences.key },
    bad: [ceremonyOf, siteOf, [{ key: other }, 'of another key than the one that is fenced']],
  },
  retired: {
    definition: replacing,
    value: { ceremony, site: eu, record: hash('voted'), base: hash('replaced') },
    bad: [
      ceremonyOf,
      siteOf,
      [{ base: other }, 'of another base'],
      [{ record: other }, 'of a record that its site did not vote for'],
    ],
  },
  result: {
    value: { ceremony, attempt: hash('begun'), site: eu, transcript: other },
    bad: [ceremonyOf, siteOf, [{ attempt: other }, notStarted]],
  },
  aborted: {
    value: { ceremony, identity, abort: 'gone' },
    bad: [ceremonyOf, [{ abort: null }, 'not an abort of this ceremony by its author']].map(
      ([change]) => [change as object, 'not an abort of this ceremony by its author'] as const,
    ),
  },
  release: {
    definition: giving,
    value: { ceremony, attempt: hash('begun'), site: eu, index: 1, sealed: ['', '', ''] },
    bad: [
      ceremonyOf,
      siteOf,
      indexOf,
      [{ attempt: other }, notStarted],
      [{ sealed: ['', ''] }, 'not sealed to each recipient'],
      [{ sealed: ['', '', '', ''] }, 'not sealed to each recipient'],
    ],
  },
  readmitted: {
    definition: takingBack,
    value: { ceremony, attempt: hash('begun'), site: eu, remembered: null, promises: [] },
    bad: [ceremonyOf, siteOf, [{ attempt: other }, notStarted]],
  },
  rebound: {
    definition: comingBack,
    value: { ceremony, attempt: hash('begun'), site: eu, head: '', proof: [], took: [] },
    bad: [ceremonyOf, siteOf, [{ attempt: other }, notStarted]],
  },
  rewrapped: {
    definition: moving,
    value: { ceremony, attempt: hash('begun'), site: eu, index: 1, envelope: other, proof: '00' },
    bad: [ceremonyOf, siteOf, indexOf, [{ attempt: other }, notStarted]],
  },
  witnessed: {
    definition: { ...moving, site: us, witnesses: [eu] },
    value: { ceremony, site: eu, rewrapped: other, envelope: other },
    bad: [ceremonyOf, siteOf],
  },
  replaced: {
    definition: moving,
    value: { ceremony, site: eu, envelope: other },
    bad: [ceremonyOf, siteOf],
  },
  blame: { value: { ceremony }, bad: [ceremonyOf] },
}

const why = (name: RecordName, value: object, by = author): string | undefined =>
  refusal(rowOf(name), { value } as never, by, { ...facts, definition: records[name].definition ?? definition })?.why

describe.each(recordNames)('the record %s', (name) => {
  const good = records[name]
  const by = { ...author, key: good.key ?? key }

  it('is admitted where all is right', () => {
    expect(why(name, good.value, by)).toBeUndefined()
  })

  it.each(good.bad.map(([change, reason]) => ({ change, reason })))('is refused: $change', ({ change, reason }) => {
    expect(why(name, { ...good.value, ...change }, by)).toBe(reason)
  })
})

it('an attempt that makes an epoch builds on the record of its definition, and on no other', () => {
  const of = (base: Hash | null) =>
    refusal(rowOf('attempt'), { value: { ...attempt, base } } as never, author, { ...facts, definition: replacing })
      ?.why
  expect(of(replacing.base)).toBeUndefined()
  for (const base of [other, null]) expect(of(base)).toBe('not one of this definition')
})

it('a share is given by whoever is to give one, in an attempt of its own, under whatever key', () => {
  const { value } = records.release
  const of = (changes: object, by = author, definition: RecordFacts['definition'] = giving) =>
    refusal(rowOf('release'), { value: { ...value, ...changes } } as never, by, { ...facts, definition })?.why
  const stray = { ...author, key: other as string as KeyHex }
  expect(of({}, stray)).toBeUndefined()
  expect(of({}, author, definition)).toBe('of a ceremony that gives no share away')
  const others = { ...giving, givers: giving.givers.filter((name) => name !== eu) }
  expect(of({}, author, others)).toBe('of a site that is to give no share')
  const late = 'late' as SiteId
  const wider = { ...giving, givers: [...giving.givers, late] }
  expect(of({ site: late, index: 4 }, { ...author, site: late, index: 4 as Index }, wider)).toBe(
    'by none of its attempt',
  )
})

it('a new envelope is said by the site that moves alone, and cosigned by its witnesses alone', () => {
  const of = (name: 'rewrapped' | 'witnessed' | 'replaced', given: RecordFacts['definition']) =>
    refusal(rowOf(name), { value: records[name].value } as never, author, { ...facts, definition: given })?.why
  for (const name of ['rewrapped', 'replaced'] as const)
    for (const given of [definition, { ...moving, site: us, witnesses: [eu] }])
      expect(of(name, given)).toBe('of a site whose share is not sealed anew')
  for (const given of [definition, moving]) expect(of('witnessed', given)).toBe('of a site that is no witness')
  const late = 'late' as SiteId
  const by = { ...author, site: late, index: 4 as Index }
  const value = { ...records.rewrapped.value, site: late, index: 4 }
  const given = { ...facts, definition: { ...moving, site: late } }
  expect(refusal(rowOf('rewrapped'), { value } as never, by, given)?.why).toBe('by none of its attempt')
})

it('is refused of a key without the seat that it speaks for', () => {
  const stray = { ...author, key: other as string as KeyHex }
  expect(why('staged', records.staged.value, stray)).toBe('by none of its attempt')
  expect(why('result', records.result.value, stray)).toBe(
    'with a transcript of an attempt in which its key had no seat',
  )
  expect(why('result', { ...records.result.value, transcript: null }, stray)).toBeUndefined()
})

describe('a record in a ceremony that hands a key on', () => {
  // Of the old roster eu, us and ap; us and ap receive, and eu leaves: it stands last.
  const roles = async () => {
    const sound = await reshareDefinition()
    const [leaving, ...staying] = sound.sites
    const handed = { ...sound, base: hash('replaced'), receivers: 2, sites: [...staying, leaving] } as typeof sound
    const voters = new Set<SiteId>()
    const given: RecordFacts = {
      ...facts,
      definition: handed,
      ceremony: ceremonyId(handed),
      testSets: [[1, 2] as Index[]],
      voted: (site, record) => voters.has(site) && record === hash('voted'),
    }
    const refusedOf = (name: RecordName, site: SiteId, value: object): string | undefined => {
      const by = { ...author, site, index: (handed.sites.findIndex((one) => one.name === site) + 1) as Index }
      return refusal(rowOf(name), { value: { ceremony: given.ceremony, site, ...value } } as never, by, given)?.why
    }
    return { voters, refusedOf, handed }
  }
  const record = hash('voted')
  const vote = { record, base: hash('replaced') }

  it.each<[RecordName, object]>([
    ['ready', vote],
    ['installed', { record }],
    ['staged', { attempt: hash('begun'), index: 3, outcome: record, envelope: record }],
    ['possession', { record, index: 3, proof: '' }],
    ['test-signature', { record, signers: [1, 2], signature: '' }],
  ])('%s is refused of a site that receives no share', async (name, value) => {
    const { refusedOf } = await roles()
    expect(refusedOf(name, eu, value)).toBe('of a site that receives no share')
  })

  it('a vote is admitted of a site that receives one', async () => {
    expect((await roles()).refusedOf('ready', us, vote)).toBeUndefined()
  })

  it('that says that an old share is gone is one of who held it, after all votes', async () => {
    const { voters, refusedOf, handed } = await roles()
    voters.add(us)
    expect(refusedOf('retired', eu, vote)).toBe('of a record that not all receivers voted for')
    expect(refusedOf('retired', us, vote)).toBeUndefined()
    voters.add('ap' as SiteId)
    expect(refusedOf('retired', eu, vote)).toBeUndefined()
    handed.from.sites.splice(0, 1)
    expect(refusedOf('retired', eu, vote)).toBe('of a site whose share is not replaced')
  })
})

it('a promise to leave a key alone is one of a site that holds a share of it, under whatever name', () => {
  const { value } = records.fenced
  const [, ...holders] = fencing.fences.holders
  const refusedIn = (given: RecordFacts['definition']) =>
    refusal(rowOf('fenced'), { value } as never, author, { ...facts, definition: given })?.why
  const stranger = 'of a site that holds no share of a key that is fenced'
  expect(refusedIn({ ...fencing, fences: { ...fencing.fences, holders } })).toBe(stranger)
  expect(refusedIn(definition)).toBe(stranger)
  const renamed = fencing.fences.holders.map((one) => ({ ...one, name: `old-${one.name}` as SiteId }))
  expect(refusedIn({ ...fencing, fences: { ...fencing.fences, holders: renamed } })).toBeUndefined()
})
