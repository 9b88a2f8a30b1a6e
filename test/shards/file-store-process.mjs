// Writes to a file store of the built product without an end, until it is killed. Before and after each step it says so.
import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'

const { openStore } = await import('../../dist/shards/stores/open.js')

const [, , uri, first] = process.argv
const store = await openStore(uri, { random: (length) => new Uint8Array(randomBytes(length)) })
const say = (word, step) => writeSync(1, `${word} ${step}\n`)

for (let step = Number(first); ; step++) {
  const name = 'pieces/one'
  // Each fourth step removes: what is read tells which step was the last.
  const bytes = new TextEncoder().encode(`${step} `.repeat(4000))
  const now = await store.read(name)
  say('begins', step)
  if (step % 4 === 0) await store.remove(name)
  else if (now === undefined) await store.create(name, bytes)
  else await store.replace(name, bytes, now.tag)
  say('ended', step)
}
