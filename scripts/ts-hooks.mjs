// Lets node import .ts files as they are, on versions that do not strip types themselves: for bench/.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const compilerOptions = {
  module: ts.ModuleKind.ESNext,
  target: ts.ScriptTarget.ES2023,
  verbatimModuleSyntax: true,
  inlineSourceMap: true,
}

export const load = async (url, context, next) => {
  if (!url.startsWith('file:') || !url.split('?')[0].endsWith('.ts')) return next(url, context)
  const path = fileURLToPath(url)
  const { outputText } = ts.transpileModule(await readFile(path, 'utf8'), { fileName: path, compilerOptions })
  return { format: 'module', source: outputText, shortCircuit: true }
}
