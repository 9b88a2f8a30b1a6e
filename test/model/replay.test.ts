import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { type MemoryWorld, memoryWorld } from '../support/memory-site.ts'
import { inTurn } from '../support/report.ts'
import { replay } from './replay.ts'

/**
 * Each way in which spin breaks the model of the ready vote once one of its rules is taken away, driven through the real
 * engine: it does not do what the rule forbids, and all honest sites end with one decision.
 */

const folder = fileURLToPath(new URL('traces', import.meta.url))
const traceOf = (name: string): readonly string[] =>
  readFileSync(`${folder}/ready-${name}.txt`, 'utf8').trim().split('\n')

interface Expected {
  /** The rule that the model lost. */
  readonly rule: string
  /** Steps of the trace that the engine does not do. With none, the honest sites decide alike all the same. */
  readonly refuses: readonly string[]
  readonly decides: 'the key' | 'no key'
}

const mutations: Readonly<Record<string, Expected>> = {
  ABORT_WINS: {
    rule: 'after its vote a site ends on no abort',
    refuses: ['heed 0'],
    decides: 'the key',
  },
  'ABORT_WINS-THIEF': {
    rule: 'after its vote a site ends on no abort, also of a thief’s',
    refuses: ['heed 0'],
    decides: 'the key',
  },
  NO_VOTES_IN_NOTES: { rule: 'votes are taken from notes too', refuses: [], decides: 'the key' },
  NO_SET_IN_HELLO: { rule: 'a site shows all votes that it holds', refuses: [], decides: 'the key' },
  VOTE_AFTER_ABORT: {
    rule: 'a site that left never votes',
    refuses: ['vote 0 1', 'vote 1 1', 'install 1'],
    decides: 'no key',
  },
  VOTE_NOT_DURABLE: {
    rule: 'a vote is on disk before it is said, and who voted cannot leave',
    refuses: ['abort 0'],
    decides: 'the key',
  },
  FIRST_VOTE_ONLY: { rule: 'a second vote of a liar counts too', refuses: [], decides: 'the key' },
  ATTEMPT_AFTER_VOTE: {
    rule: 'a site that voted takes part in no attempt',
    refuses: ['attempt 2', 'begin 1'],
    decides: 'the key',
  },
  DROP_AFTER_VOTE: {
    rule: 'a site that voted keeps its shard',
    refuses: ['heed 0'],
    decides: 'the key',
  },
}

/** Two attempts under one definition take further joins, which this replay does not make: played whole, in that file. */
const elsewhere: Readonly<Record<string, string>> = {
  DROP_OLDER: 'test/hostile/later-attempt.test.ts',
  FOLLOW_ONE: 'test/hostile/later-attempt.test.ts',
}

describe('a trace of the model without one of its rules', () => {
  let origin: MemoryWorld
  beforeAll(async () => {
    origin = await memoryWorld(['s1', 's2', 's3'])
    // The first join of a process loads code, which takes time that the world's clock does not see.
    await replay(origin, 'nothing goes wrong', ['attempt 1', 'heal 0'])
  })

  it('stands here for each rule that spin found to matter', () => {
    const traces = readdirSync(folder).flatMap((name) => /^ready-(.*)\.txt$/.exec(name)?.[1] ?? [])
    expect([...Object.keys(mutations), ...Object.keys(elsewhere)].sort()).toEqual(traces.sort())
  })

  const played = Object.entries(mutations).map(([name, expected]) => ({ name, ...expected }))
  it.each(inTurn(played, 4))('$name: $rule', async ({ name, refuses, decides }) => {
    const { refused, voted, installed, last, hints } = await replay(origin, name, traceOf(name))
    const made = decides === 'the key'
    expect(refused).toEqual(refuses)
    expect(installed).toEqual(installed.map(() => made))
    if (made) expect(voted).toEqual(voted.map(() => true))
    for (const [at, code] of last.entries()) {
      // Who voted never says that no key was made; who holds the key may still wait for receipts.
      expect(made || voted[at] ? ['closed', 'E_NOT_FINISHED'] : ['E_ABORTED']).toContain(code)
      if (made) expect(hints[at]).not.toContain('nothing was made')
    }
  })
})
