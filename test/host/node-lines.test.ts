import { expect, test } from 'vitest'
import { nodeLines, pastEnd } from '../../src/host/node-lines.ts'

test.each(Object.entries(nodeLines))('node %s is warned of from the day after %s', (line, end) => {
  const version = `${line}.20.2`
  expect(pastEnd(version, Date.parse(`${end}T23:59:59.999Z`))).toBeUndefined()
  expect(pastEnd(version, Date.parse(`${end}T23:59:59.999Z`) + 1)).toBe(
    `node ${line} gets no security fixes since ${end}: run this site on node 24`,
  )
})

test('a line that the table does not know is newer than it', () => {
  expect(pastEnd('28.0.0', Date.parse('2040-01-01T00:00:00Z'))).toBeUndefined()
})
