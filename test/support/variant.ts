import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A change to a copy of the tree: the text `find`, which stands in the file once, becomes `replace`. */
export interface Edit {
  /** As `src/mpc/registry.ts`. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

const tree = fileURLToPath(new URL('../..', import.meta.url))

/**
 * A copy of `src`, `test/support` and `parts` under test/.variants/NAME, with edits and added files (path to text): what the
 * product would be with one more row in a table. Its modules are other modules than the tree's own: import all that meet from here.
 * Returns its root. Throws where an edit's text is not there exactly once.
 */
export const makeVariant = (
  name: string,
  edits: readonly Edit[],
  files: Readonly<Record<string, string>> = {},
  parts: readonly string[] = [],
): string => {
  const root = join(tree, 'test', '.variants', name)
  rmSync(root, { recursive: true, force: true })
  for (const part of ['src', 'test/support', ...parts]) cpSync(join(tree, part), join(root, part), { recursive: true })
  for (const { file, find, replace } of edits) {
    const text = readFileSync(join(root, file), 'utf8')
    if (text.split(find).length !== 2) throw new Error(`${file}: not once: ${find}`)
    writeFileSync(
      join(root, file),
      text.replace(find, () => replace),
    )
  }
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
  return root
}

/** What the compiler says of a variant's `src`, one line an error; empty: it compiles. */
export const typeErrors = (root: string): readonly string[] => {
  const config = join(root, 'tsconfig.json')
  writeFileSync(
    config,
    JSON.stringify({
      extends: '../../../tsconfig.json',
      compilerOptions: { rootDir: 'src', noEmit: true },
      include: ['src'],
    }),
  )
  try {
    execFileSync(process.execPath, [join(tree, 'node_modules/typescript/bin/tsc'), '-p', config, '--pretty', 'false'], {
      cwd: root,
      encoding: 'utf8',
    })
    return []
  } catch (error) {
    const { stdout } = error as { stdout?: string }
    if (stdout === undefined || stdout === '') throw error
    return stdout.split('\n').filter((line) => line.includes('error TS'))
  }
}

/** Imports a module of a variant; the type is that of the tree's own. */
export const fromVariant = async <T>(root: string, path: string): Promise<T> => (await import(join(root, path))) as T
