import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { approveAll } from '../hostile/ceremonies.ts'
import {
  deadlines,
  diskOf,
  epochsAt,
  heldAt,
  joinTogether,
  type KeyHolders,
  keyHolders,
  said,
} from '../hostile/refreshes.ts'
import { signDefinition, siteEntries } from '../support/definition.ts'
import { inTurn } from '../support/report.ts'
import { A, C, D, names, Successors } from './successors.ts'

/**
 * Successors of one record in the real engine: each way in which spin breaks the model once one of its rules is taken away,
 * and every order in which sites learn of two that came true. All honest sites end with one of them.
 */

const [s1, s2, s3] = names as [SiteId, SiteId, SiteId]
const folder = fileURLToPath(new URL('traces', import.meta.url))
const traceOf = (name: string): readonly string[] =>
  readFileSync(`${folder}/successors-${name}.txt`, 'utf8').trim().split('\n')

let holders: KeyHolders
beforeAll(async () => {
  holders = await keyHolders(names)
  // The first refresh of a process loads code, which takes time that the world's clock does not see.
  const first = await Successors.open(holders, 'nothing goes wrong')
  await first.finish(A)
  await first.end()
})

interface Expected {
  /** The rule that the model lost. */
  readonly rule: string
  /** Steps of the trace that the engine does not do when the model does. */
  readonly refuses: readonly string[]
  /** Successors that both honest sites use at the end, in the order of the model. */
  readonly uses: number
}

/**
 * The engine refuses more than the model: all sites stage before any votes, so no site votes for a second successor while
 * another one may still vote for the first; and it installs at once what it is shown.
 */
const mutations: Readonly<Record<string, Expected>> = {
  DESTROY_ON_INSTALL: {
    rule: 'no old share goes with the site’s own installation',
    refuses: ['destroy 1 before 1'],
    uses: A,
  },
  DROP_VOTED: { rule: 'a voted shard stays', refuses: ['vote 0 3'], uses: A },
  FEWER_RECEIPTS: { rule: 'no old share goes after t receipts', refuses: ['destroy 1 before 1'], uses: A },
  FIRST_STANDS: {
    rule: 'a site goes on to the one that supersedes what it uses',
    refuses: ['vote 0 3', 'liar votes 3 to 0', 'vote 1 3', 'install 0 3'],
    uses: A,
  },
  FORGET_UNDECIDED: {
    rule: 'a site votes for no successor that does not name what is undecided there',
    refuses: ['liar votes 4 to 0', 'vote 0 3', 'liar votes 3 to 0', 'vote 1 3', 'install 1 3'],
    uses: D,
  },
  'VOTE_FOR_RIVAL-RIVAL': {
    rule: 'a site votes for no rival of what it voted for',
    refuses: ['vote 0 2', 'liar votes 2 to 0', 'vote 1 2', 'install 0 2'],
    uses: A,
  },
}

describe('a trace of the model of successors without one of its rules', () => {
  it('stands here for each rule that spin found to matter', () => {
    const traces = readdirSync(folder).flatMap((name) => /^successors-(.*)\.txt$/.exec(name)?.[1] ?? [])
    expect(Object.keys(mutations).sort()).toEqual(traces.sort())
  })

  it.each(Object.entries(mutations).map(([name, expected]) => ({ name, ...expected })))(
    '$name: $rule',
    async ({ name, refuses, uses }) => {
      const run = await Successors.open(holders, name, { forgets: name === 'FORGET_UNDECIDED' ? [D] : [] })
      const refused: string[] = []
      for (const line of traceOf(name)) if (!(await run.step(line))) refused.push(line)
      await run.heal()
      expect(refused).toEqual(refuses)
      expect([await run.uses(s1), await run.uses(s2)]).toEqual([uses, uses])
      await run.end()
    },
  )
})

/** Both honest sites voted for A, and then for C, which names it; nobody was shown the last vote of either. */
const bothUndecided = async (name: string, changes?: Parameters<typeof Successors.open>[2]): Promise<Successors> => {
  const run = await Successors.open(holders, name, changes)
  for (const step of ['vote 0 1', 'vote 1 1', 'vote 0 3', 'vote 1 3'])
    expect([step, await run.step(step)]).toEqual([step, true])
  return run
}

type Site = 0 | 1
interface Shown {
  readonly to: Site
  readonly of: typeof A | typeof C
}
const events: readonly Shown[] = [A, C].flatMap((of) => ([0, 1] as const).map((to) => ({ to, of })))
const ordersOf = (rest: readonly Shown[]): readonly (readonly Shown[])[] => [
  [],
  ...rest.flatMap((one) => ordersOf(rest.filter((other) => other !== one)).map((order) => [one, ...order])),
]
const orders = ordersOf(events).map((order) => ({
  order,
  text: order.map(({ to, of }) => `${of === A ? 'A' : 'C'} to ${names[to]}`).join(', ') || 'nothing',
}))

describe('two successors that both come true, one of which names the other', () => {
  it.each(inTurn(orders, 4, 10))('end as one: $text', async ({ order, text }) => {
    const run = await bothUndecided(text)
    const newest = [0, 0]
    // Whoever is shown all of A while it uses C has left the room of A for good. Its note, which nobody sees here, shows them.
    const leftA = new Set<Site>()
    for (const { to, of } of order) {
      const from = to === 0 ? 1 : 0
      expect(await run.step(`liar votes ${of} to ${to}`)).toBe(true)
      expect(await run.step(`show ${from} ${to} ${of}`)).toBe(true)
      if (of === C || !leftA.has(from)) {
        if (newest[to] === C && of === A) leftA.add(to)
        newest[to] = Math.max(newest[to] as number, of)
      }
      expect([await run.uses(s1), await run.uses(s2)]).toEqual(newest)
    }
    await run.heal()
    const last = Math.max(...newest)
    expect([await run.uses(s1), await run.uses(s2)]).toEqual([last, last])
    await run.end()
  })
})

/** All votes for a successor, at both. */
const toBoth = async (run: Successors, of: number): Promise<void> => {
  for (const to of [0, 1]) {
    expect(await run.step(`liar votes ${of} to ${to}`)).toBe(true)
    expect(await run.step(`show ${1 - to} ${to} ${of}`)).toBe(true)
  }
}

it('a site that destroyed its old shares signs with one that did not: both use the newest', async () => {
  const run = await bothUndecided('signs')
  await toBoth(run, A)
  // The second site is shown no receipt of the third.
  for (const step of ['liar votes 3 to 0', 'show 1 0 3', 'show 0 1 3', 'show 1 0 3']) await run.step(step)
  expect(await heldAt(run.world, s1)).toEqual(['1 installed', '2 installed', '2 installed'])
  expect(await run.step('destroy 0 before 3')).toBe(true)
  expect(await heldAt(run.world, s1)).toEqual(['1 retired', '2 retired', '2 installed'])
  expect(await heldAt(run.world, s2)).toEqual(['1 installed', '2 installed', '2 installed'])
  await run.end()
  // A file of what was superseded says nothing about what is used.
  const { key, outcome } = (await epochsAt(run.world, s1))[1] ?? expect.fail()
  diskOf(run.world, s1).files.set(`keys/${key}/${outcome}/votes`, utf8('damaged'))
  const message = utf8('pay nobody')
  const definition = await signDefinition({
    sites: await siteEntries(names),
    key: holders.key,
    base: await run.record(C),
    deadlines,
    signers: [s1, s2],
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
  await approveAll(run.world, [s1, s2], definition)
  expect((await joinTogether(run.world, [s1, s2], definition, message)).map(said)).toEqual(['closed', 'closed'])
})

it('old shares stay where the receipts are for what was superseded', async () => {
  const run = await bothUndecided('receipts')
  await toBoth(run, A)
  for (const step of ['liar votes 3 to 0', 'show 1 0 3', 'show 1 0 1']) expect(await run.step(step)).toBe(true)
  expect(await run.uses(s1)).toBe(C)
  expect(await run.step('destroy 0 before 1')).toBe(false)
  expect(await heldAt(run.world, s1)).toEqual(['1 installed', '2 installed', '2 installed'])
  // It is destroyed all the same, with a file that says no more.
  const { key, outcome } = (await epochsAt(run.world, s1))[1] ?? expect.fail()
  const { files } = diskOf(run.world, s1)
  const folder = `keys/${key}/${outcome}`
  files.set(`${folder}/votes`, utf8('damaged'))
  expect(await run.step('show 0 1 3')).toBe(true)
  expect(await run.step('show 1 0 3')).toBe(true)
  expect(await run.step('destroy 0 before 3')).toBe(true)
  expect(await heldAt(run.world, s1)).toEqual(['1 retired', '2 installed'])
  for (const part of ['shard', 'slots']) expect(files.has(`${folder}/${part}`)).toBe(false)
  await run.end()
})

describe('a successor of the one that came true, while the one that supersedes it is undecided', () => {
  it('gets no vote where it does not name that one', async () => {
    const run = await bothUndecided('forgotten', { forgets: [D] })
    await toBoth(run, A)
    for (const site of [0, 1]) expect(await run.step(`vote ${site} 4`)).toBe(false)
    await run.heal()
    expect([await run.uses(s1), await run.uses(s2)]).toEqual([A, A])
    await run.end()
  })

  it('comes after it, whichever is shown first', async () => {
    for (const order of [
      [D, C],
      [C, D],
    ]) {
      const run = await bothUndecided(`named ${order}`)
      await toBoth(run, A)
      for (const site of [0, 1]) expect(await run.step(`vote ${site} 4`)).toBe(true)
      for (const of of order) await toBoth(run, of)
      expect([await run.uses(s1), await run.uses(s2)]).toEqual([D, D])
      await run.end()
    }
  })
})

interface Left {
  /** Honest sites that voted for A before the third one was gone. */
  readonly voters: readonly Site[]
  readonly third: 'leaves' | 'falls silent' | 'votes, and falls silent'
}
const lefts: readonly Left[] = ([[], [0], [1], [0, 1]] as const).flatMap((voters) =>
  (['leaves', 'falls silent', 'votes, and falls silent'] as const).map((third) => ({ voters, third })),
)

describe('a successor that a site left', () => {
  it.each(inTurn(lefts, 3, 6))(
    'when $voters had voted and the third $third, gives way to one that names it',
    async (left) => {
      const { voters, third } = left
      const gone = third !== 'votes, and falls silent'
      const run = await Successors.open(holders, JSON.stringify(left), {
        leaves: gone ? [A] : [],
        forgets: gone && voters.length === 0 ? [C] : [],
      })
      for (const site of voters) expect(await run.step(`vote ${site} 1`)).toBe(true)
      // A vote of the one that falls silent is seen by nobody.
      await run.step('show 2 2 1')
      if (third === 'leaves') expect(await run.leave(s3, A)).toBe(true)
      else await run.stop(s3, A)
      // Others voted and cannot leave; who did not has to, for it would hold up the next one. So has who comes back.
      for (const site of [0, 1] as const)
        if (!voters.includes(site)) expect(await run.leave(names[site] as SiteId, A)).toBe(true)
      if (third === 'falls silent') expect(await run.leave(s3, A)).toBe(true)
      expect([await run.uses(s1), await run.uses(s2)]).toEqual([0, 0])
      expect(await run.finish(C)).toEqual(['closed', 'closed', 'closed'])
      for (const name of names) expect(await heldAt(run.world, name)).toEqual(['1 retired', '2 installed'])
      await run.end()
    },
  )
})
