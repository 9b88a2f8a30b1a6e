import { describe, expect, test } from 'vitest'
import { type Import, imports, isOwn, sourceFiles, targetOf } from '../../scripts/imports.mjs'

/**
 * Floors of src/ceremony, from the top: a file imports values of its own room and of lower floors only. A file that is
 * named stands on another floor than its room, for the reason beside it.
 */
const FLOORS: readonly (readonly string[])[] = [
  // The judge as an auditor runs it is handed in from outside, and reads definitions as lint does.
  ['engine/', 'status/', 'blame/verify-evidence.ts'],
  // Ask the table of kinds; what kinds ask in turn (findings, message, authority) stands below.
  ['definition/lint.ts', 'definition/approve.ts', 'definition/plan.ts'],
  ['gather/', 'close/'],
  ['kinds/'],
  ['epoch/'],
  ['peers/'],
  ['store/'],
  ['blame/'],
  ['definition/'],
  ['session/'],
  // Pure: the judge derives the outcome too.
  ['epoch/keygen-outcome.ts'],
  ['hedge.ts', 'lifecycle.ts', 'paths.ts', 'ports.ts', 'progress.ts'],
]

const ROOM = 'ceremony/'
const floorOf = (file: string): number => {
  const path = file.slice(ROOM.length)
  const named = FLOORS.findIndex((floor) => floor.includes(path))
  return named !== -1 ? named : FLOORS.findIndex((floor) => floor.includes(`${path.split('/')[0]}/`))
}
const roomOf = (file: string): string => file.split('/').slice(0, 2).join('/')
const told = (found: Import): string => `${found.file} → ${targetOf(found)}`

/** Files that can be reached from themselves. */
const circles = (edges: ReadonlyMap<string, readonly string[]>): readonly string[] => {
  const reach = (from: string): ReadonlySet<string> => {
    const seen = new Set<string>()
    const queue = [...(edges.get(from) ?? [])]
    for (const file of queue) {
      if (seen.has(file)) continue
      seen.add(file)
      queue.push(...(edges.get(file) ?? []))
    }
    return seen
  }
  return [...edges.keys()].filter((file) => reach(file).has(file))
}

describe('floors', () => {
  const inside = imports.filter(
    (found) => isOwn(found) && found.file.startsWith(ROOM) && targetOf(found).startsWith(ROOM),
  )

  test('every file of ceremony stands on one', () => {
    const files = sourceFiles.filter((file) => file.startsWith(ROOM))
    expect(files.filter((file) => floorOf(file) === -1)).toEqual([])
    expect(FLOORS.flat().filter((name) => !files.some((file) => file.startsWith(ROOM + name)))).toEqual([])
  })

  test('nothing in ceremony takes a value from a floor above, or from another room on its own', () => {
    const up = inside
      .filter(({ kind }) => kind !== 'type')
      .filter((found) => {
        const [from, to] = [floorOf(found.file), floorOf(targetOf(found))]
        return from > to || (from === to && roomOf(found.file) !== roomOf(targetOf(found)))
      })
    expect(up.map(told)).toEqual([])
  })

  test('no file imports itself, however long the way', () => {
    const edges = new Map(
      sourceFiles.map((file) => [
        file,
        imports.filter((found) => found.file === file && found.kind !== 'type' && isOwn(found)).map(targetOf),
      ]),
    )
    expect(circles(edges)).toEqual([])
  })

  test('a circle is seen', () => {
    const edges = new Map([
      ['a', ['b']],
      ['b', ['c']],
      ['c', ['b']],
    ])
    expect(circles(edges)).toEqual(['b', 'c'])
  })
})
