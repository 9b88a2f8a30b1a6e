import { describe, expect, test } from 'vitest'
import { floors, isInside, placeOf, shortened } from '../../scripts/floors.mjs'
import { type Import, imports, isOwn, sourceFiles, targetOf } from '../../scripts/imports.mjs'

const floorOf = (file: string): number => floors.findIndex((floor) => floor.includes(placeOf(file) ?? ''))
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
  const inside = imports.filter((found) => isOwn(found) && isInside(found.file) && isInside(targetOf(found)))

  test('every file of ceremony stands on one', () => {
    const files = sourceFiles.filter(isInside)
    expect(files.filter((file) => floorOf(file) === -1)).toEqual([])
    expect(floors.flat().filter((name) => !files.some((file) => placeOf(file) === name))).toEqual([])
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

  test('the picture leaves out what a longer way says too', () => {
    const chain = [
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'c'],
    ] as const
    expect(shortened(chain)).toEqual([
      ['a', 'b'],
      ['b', 'c'],
    ])
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
