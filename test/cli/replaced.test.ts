import { expect, test } from 'vitest'
import { decisionLines } from '../../src/cli/render/definition.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { shortId } from '../../src/records/short-id.ts'
import { NOTHING_SEEN } from '../../src/site/seen.ts'
import { refreshDefinition } from '../support/definition.ts'

const record = (n: number): Hash => `${n}${n}`.repeat(32) as Hash
const replaced = async (supersedes: Hash[], voted: ReadonlyMap<Hash, Hash> = new Map()) =>
  decisionLines(await refreshDefinition({ supersedes }), { ...NOTHING_SEEN, voted }).flatMap((line) =>
    typeof line === 'object' && line.label === 'replaces' ? [[line.text, line.note]] : [],
  )

test('new shares that take the place of no other ones say nothing of it', async () => {
  expect(await replaced([])).toEqual([])
})

test('each undecided record that is replaced is shown, with the ceremony in which this site voted for it', async () => {
  const ceremony = 'c0'.repeat(32) as Hash
  expect(await replaced([record(1), record(2)], new Map([[record(2), ceremony]]))).toEqual([
    [expect.stringMatching(/^the undecided record 1111/), 'this site did not vote for it'],
    [expect.stringMatching(/^the undecided record 2222/), `of ceremony ${shortId(ceremony)}`],
  ])
})

test('many of them leave room for the question', async () => {
  const lines = await replaced([1, 2, 3, 4, 5, 6].map(record))
  expect(lines).toHaveLength(5)
  expect(lines.at(-1)?.[0]).toBe('and 2 more')
})
