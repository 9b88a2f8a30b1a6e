import { imports, isOwn, targetOf } from './imports.mjs'

/**
 * Floors of src/ceremony, from the top: a file imports values of its own room and of lower floors only. A file that is
 * named stands on another floor than its room, for the reason beside it.
 */
export const floors = [
  // The judge as an auditor runs it is handed in from outside, and reads definitions as lint does.
  ['engine/', 'status/', 'blame/verify-evidence.ts'],
  // Ask the table of kinds; what kinds ask in turn (findings, message, authority) stands below.
  [
    'definition/lint.ts',
    'definition/approve.ts',
    'definition/plan.ts',
    'definition/plan-readmit.ts',
    'definition/plan-rewrap.ts',
  ],
  ['gather/', 'close/'],
  ['kinds/'],
  ['epoch/'],
  ['peers/'],
  ['store/'],
  ['blame/'],
  ['definition/'],
  ['session/'],
  // Pure: the judge derives the outcome too.
  ['epoch/epoch-outcome.ts'],
  ['hedge.ts', 'lifecycle.ts', 'paths.ts', 'ports.ts', 'progress.ts'],
]

const room = 'ceremony/'
export const isInside = (file) => file.startsWith(room)

/** The entry of `floors` that a file of ceremony belongs to; undefined where none does. */
export const placeOf = (file) => {
  const path = file.slice(room.length)
  const all = floors.flat()
  return all.find((name) => name === path) ?? all.find((name) => name === `${path.split('/')[0]}/`)
}

/** Pairs of places, by imports that bring a value, now or later. */
export const arrowsBetween = (place, within = () => true) => {
  const pairs = imports
    .filter((found) => isOwn(found) && found.kind !== 'type' && within(found.file) && within(targetOf(found)))
    .map((found) => [place(found.file), place(targetOf(found))])
    .filter(([from, to]) => from !== to)
  return [...new Set(pairs.map((pair) => pair.join(' ')))].sort().map((pair) => pair.split(' '))
}

/** Without the arrows that a longer way says too. The arrows must have no circle. */
export const shortened = (arrows) => {
  const reaches = (from, to) => arrows.some(([a, b]) => a === from && (b === to || reaches(b, to)))
  return arrows.filter(([from, to]) => !arrows.some(([a, b]) => a === from && b !== to && reaches(b, to)))
}
