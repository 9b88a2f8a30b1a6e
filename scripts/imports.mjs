// The imports of src, read from its text: for the pages that docs.mjs makes and for test/arch.
import { readdirSync, readFileSync } from 'node:fs'
import { posix, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const src = fileURLToPath(new URL('../src/', import.meta.url))

const IMPORT =
  /^(?:import|export)\s+(?:(type)\s+)?(?:([^'";]*?)\sfrom\s+)?'([^']+)'|\bimport\(\s*(?:\/\*.*?\*\/\s*)?'([^']+)'\s*\)/gms

/** Every file of src, as a path below it. */
export const sourceFiles = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.split(sep).join('/'))
  .sort()

const texts = new Map(sourceFiles.map((file) => [file, readFileSync(src + file, 'utf8')]))
export const sourceText = (file) => texts.get(file) ?? ''

/** `import { type A, type B }` brings no value either, but the module is still loaded under verbatimModuleSyntax. */
export const importsOf = (file, text) =>
  [...text.matchAll(IMPORT)].map(([, type, clause = '', stated, dynamic]) => ({
    file,
    target: stated ?? dynamic,
    kind: dynamic !== undefined ? 'dynamic' : type !== undefined ? 'type' : 'value',
    names: [...clause.matchAll(/(?:^|[{,])\s*(?:type\s+)?(\w+)/g)].map(([, name]) => name),
  }))

export const imports = sourceFiles.flatMap((file) => importsOf(file, sourceText(file)))

export const isOwn = ({ target }) => target.startsWith('.')

/** The imported file as a path below src. */
export const targetOf = ({ file, target }) => posix.join(posix.dirname(file), target)

/** First folder of a path below src. */
export const folderOf = (file) => file.split('/')[0].replace(/\.ts$/, '')

/** Every file that is loaded, now or later, where the given ones are. */
export const reachedFrom = (roots, kinds = ['value', 'dynamic']) => {
  const seen = new Set()
  const queue = [...roots]
  for (const file of queue) {
    if (seen.has(file)) continue
    seen.add(file)
    for (const found of imports)
      if (found.file === file && isOwn(found) && kinds.includes(found.kind)) queue.push(targetOf(found))
  }
  return seen
}
