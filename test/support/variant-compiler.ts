import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const tree = fileURLToPath(new URL('../..', import.meta.url))

export interface VariantCompiler {
  /**
   * What the compiler says of the variant's `src` with these files (path to text) in place of its own, one line an error;
   * empty: it compiles. Stops at the first file that does not.
   */
  errors(files: Readonly<Record<string, string>>): readonly string[]
}

const told = (root: string, { file, start, messageText }: ts.Diagnostic): string => {
  const where = file === undefined ? '' : `${file.fileName.slice(root.length + 1)}(${line(file, start)}): `
  return `${where}${ts.flattenDiagnosticMessageText(messageText, ' ')}`
}
const line = (file: ts.SourceFile, start = 0): number => file.getLineAndCharacterOfPosition(start).line + 1

/** One compiler for many small changes to a variant: files that a change does not reach are checked once. */
export const variantCompiler = (root: string): VariantCompiler => {
  const base = ts.readConfigFile(join(tree, 'tsconfig.json'), ts.sys.readFile).config as { compilerOptions: object }
  const { options, fileNames } = ts.parseJsonConfigFileContent(
    { compilerOptions: { ...base.compilerOptions, rootDir: 'src', noEmit: true }, include: ['src'] },
    ts.sys,
    root,
  )
  let changed: ReadonlyMap<string, string> = new Map()
  const host = ts.createIncrementalCompilerHost(options)
  const { readFile, getSourceFile } = host
  const sources = new Map<string, ts.SourceFile | undefined>()
  host.readFile = (name) => changed.get(name) ?? readFile(name)
  host.getSourceFile = (name, ...given) => {
    if (changed.has(name)) return getSourceFile(name, ...given)
    if (!sources.has(name)) sources.set(name, getSourceFile(name, ...given))
    return sources.get(name)
  }
  const build = (old?: ts.SemanticDiagnosticsBuilderProgram): ts.SemanticDiagnosticsBuilderProgram =>
    ts.createSemanticDiagnosticsBuilderProgram(fileNames, options, host, old)
  const check = (program: ts.SemanticDiagnosticsBuilderProgram): readonly string[] => {
    for (const name of changed.keys()) {
      const file = program.getSourceFile(name)
      const found = [...program.getSyntacticDiagnostics(file), ...program.getProgram().getSemanticDiagnostics(file)]
      if (found.length > 0) return found.map((one) => told(root, one))
    }
    for (let next = program.getSemanticDiagnosticsOfNextAffectedFile(); next !== undefined; ) {
      if (next.result.length > 0) return next.result.map((one) => told(root, one))
      next = program.getSemanticDiagnosticsOfNextAffectedFile()
    }
    return []
  }
  const whole = build()
  const found = check(whole)
  if (found.length > 0) throw new Error(`the variant does not compile: ${found.join('; ')}`)
  return {
    errors: (files) => {
      changed = new Map(Object.entries(files).map(([path, text]) => [join(root, path), text]))
      return check(build(whole))
    },
  }
}
