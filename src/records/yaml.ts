import * as v from 'valibot'
import type { Node, Scalar } from 'yaml'
import { fromUtf8, utf8, withoutMark } from '../lib/bytes.ts'
import { DecodeError, expectation, issuePath, pathText } from './codec.ts'

/** Maps, lists, text, whole numbers, booleans and null: all that a file of ours holds. */
const DEPTH = 16

/** Characters that no line may hold, comments included: invisible or reordering ones make it read otherwise. */
const HIDDEN = /(?![\n\r\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u

type Path = readonly (string | number)[]

/** Line, from 1, of an offset into the text. */
const liner = (text: string): ((offset: number) => number) => {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let [low, high] = [0, starts.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

interface Read {
  readonly value: unknown
  /** Line of each value, by its path's text. */
  readonly lines: ReadonlyMap<string, number>
}

const refuse = (path: Path, line: number | undefined, message: string): never => {
  const where = [pathText(path), line === undefined ? '' : `line ${line}`].filter((part) => part !== '').join(', ')
  throw new DecodeError(where === '' ? message : `${where}: ${message}`)
}

const plainText = (bytes: Uint8Array, limit: number): string => {
  if (bytes.length > limit) return refuse([], undefined, `expected at most ${limit} bytes`)
  let text: string
  try {
    text = fromUtf8(withoutMark(bytes))
  } catch {
    return refuse([], undefined, 'expected UTF-8 text')
  }
  const hidden = HIDDEN.exec(text)
  if (hidden !== null) return refuse([], liner(text)(hidden.index), 'a control or invisible character')
  if (text !== text.normalize('NFC')) {
    const at = text.split('\n').findIndex((line) => line !== line.normalize('NFC'))
    return refuse([], at + 1, 'text is not in Unicode normal form C')
  }
  return text
}

/**
 * Bounds how deep any reader could nest this text, before the parser sees it: the parser recurses, and where the stack ends
 * while a regular expression is compiled, the whole process dies and no error can be caught. A level needs an indentation,
 * an indicator in its line, or an open bracket.
 */
const boundDepth = (text: string): void => {
  let brackets = 0
  for (const [at, line] of text.split(/\r\n|\r|\n/).entries()) {
    if (/^[ \t]*#/.test(line)) continue
    const indent = /^[ \t]*/.exec(line)?.[0].length ?? 0
    const indicators = line.match(/[-?:](?=[ \t]|$)/g)?.length ?? 0
    brackets += line.match(/[[{]/g)?.length ?? 0
    if (indent > 32 || indicators > 32 || brackets > 256) refuse([], at + 1, 'nested too deeply')
  }
}

/** The value of one strict YAML 1.2 document. Throws DecodeError with path and line. */
const readYaml = async (bytes: Uint8Array, limit: number): Promise<Read> => {
  const { isAlias, isMap, isScalar, isSeq, parseAllDocuments } = await import('yaml')
  const text = plainText(bytes, limit)
  boundDepth(text)
  const lineOf = liner(text)
  const lines = new Map<string, number>()

  const scalar = (node: Scalar, path: Path, line: number): unknown => {
    const { value, source } = node
    if (typeof value === 'string' || typeof value === 'boolean') return value
    if (value === null && source === 'null') return null
    if (value === null) return refuse(path, line, 'expected a value; write null where none is meant')
    if (typeof value === 'number' && /^(?:0|-?[1-9]\d*)$/.test(source ?? '') && Number.isSafeInteger(value))
      return value
    return refuse(path, line, 'expected a whole number, or text in quotes')
  }

  const walk = (node: unknown, path: Path, from: number): unknown => {
    const at = (node as Node | null)?.range?.[0] ?? from
    const line = lineOf(at)
    lines.set(pathText(path), line)
    if (path.length > DEPTH) return refuse(path, line, 'nested too deeply')
    if (isAlias(node)) return refuse(path, line, 'an alias; write the value out')
    if (!isMap(node) && !isSeq(node) && !isScalar(node)) return refuse(path, line, 'expected a value')
    if (node.anchor !== undefined) return refuse(path, line, 'an anchor; write the value out where it is needed')
    if (node.tag !== undefined) return refuse(path, line, 'a tag; values carry none')
    if (isScalar(node)) return scalar(node, path, line)
    if (isSeq(node)) return node.items.map((item, n) => walk(item, [...path, n], at))
    const fields = new Map<string, unknown>()
    for (const { key, value } of node.items) {
      const place = lineOf((key as Node | null)?.range?.[0] ?? at)
      if (!isScalar(key) || typeof key.value !== 'string' || key.anchor !== undefined || key.tag !== undefined)
        return refuse(path, place, 'a key that is not plain text')
      const inner = [...path, key.value]
      if (fields.has(key.value)) return refuse(inner, place, 'this key stands here twice')
      fields.set(key.value, walk(value, inner, key.range?.[0] ?? at))
    }
    return Object.fromEntries(fields)
  }

  let documents: ReturnType<typeof parseAllDocuments>
  try {
    documents = parseAllDocuments(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      uniqueKeys: false,
      resolveKnownTags: false,
      prettyErrors: false,
      logLevel: 'silent',
    })
  } catch {
    return refuse([], undefined, 'not YAML that can be read')
  }
  const [document] = documents
  if (document === undefined || documents.length !== 1) return refuse([], undefined, 'expected one YAML document')
  const fault = document.errors[0] ?? document.warnings[0]
  if (fault !== undefined) return refuse([], lineOf(fault.pos[0]), `not well-formed YAML (${fault.code})`)
  if (document.directives?.yaml.explicit === true || Object.keys(document.directives?.tags ?? {}).length > 1)
    return refuse([], 1, 'a YAML directive; the file needs none')
  return { value: walk(document.contents, [], 0), lines }
}

/**
 * A record written by people: a strict YAML map with a `type` of its own. Throws DecodeError that names the place as
 * `sites[1].identity, line 12: expected …`.
 */
export const decodeYaml = async <T>(
  type: string,
  schema: v.GenericSchema<unknown, T>,
  bytes: Uint8Array,
  limit: number,
): Promise<T> => {
  const { value, lines } = await readYaml(bytes, limit)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse([], 1, `expected keys and values, first of them type: ${type}`)
  const { type: found, ...fields } = value as Record<string, unknown>
  if (found !== type) return refuse(['type'], lines.get('type'), `expected ${type}`)
  const result = v.safeParse(schema, fields, { abortEarly: true, abortPipeEarly: true })
  if (result.success) return result.output
  // A misspelt key is also a missing one: the misspelling is what helps.
  const all = v.safeParse(schema, fields).issues ?? result.issues
  const issue = all.find((one) => expectation(one) === 'unknown key') ?? result.issues[0]
  const path = issuePath(issue)
  let known = path
  while (known.length > 0 && !lines.has(pathText(known))) known = known.slice(0, -1)
  return refuse(path, known.length === 0 ? undefined : lines.get(pathText(known)), expectation(issue))
}

/** Plain where every YAML reader takes it for the same text, else in quotes as JSON has them. */
const scalarText = (value: unknown): string => {
  if (typeof value !== 'string') return JSON.stringify(value)
  const plain = /^[A-Za-z/](?:[A-Za-z0-9_./@+-]|[: ](?=[A-Za-z0-9/]))*$/.test(value)
  const other = /^(?:y|n|yes|no|on|off|true|false|null|[0-9a-f]{16,})$/i.test(value)
  return plain && !other ? value : JSON.stringify(value)
}

/** Comments by the path of the value that they stand above, as `sites[0].kms`. */
export type Comments = Readonly<Record<string, string>>

const block = (value: unknown, path: Path, comments: Comments): readonly string[] => {
  const list = Array.isArray(value)
  const entries: readonly (readonly [string | number, unknown])[] = list
    ? value.map((item, n) => [n, item])
    : Object.entries(value as object)
  return entries.flatMap(([key, inner]) => {
    const at = [...path, key]
    const lead = typeof key === 'number' ? '-' : `${key}:`
    const above = (comments[pathText(at)] ?? '').split('\n').filter((text) => text !== '')
    const nested = typeof inner === 'object' && inner !== null ? block(inner, at, comments) : undefined
    const gap = path.length === 0 && above.length > 0 && key !== 'type' ? [''] : []
    const lines = [...gap, ...above.map((text) => `# ${text}`)]
    if (nested === undefined) return [...lines, `${lead} ${scalarText(inner)}`]
    if (nested.length === 0) return [...lines, `${lead} ${Array.isArray(inner) ? '[]' : '{}'}`]
    if (!list) return [...lines, lead, ...nested.map((text) => `  ${text}`)]
    return [...lines, ...nested.map((text, n) => `${n === 0 ? '-' : ' '} ${text}`)]
  })
}

/** YAML that `decodeYaml` reads back as the same value: `type` first, then the fields in the order given. */
export const encodeYaml = (type: string, fields: object, comments: Comments = {}): Uint8Array =>
  utf8(`${block({ type, ...fields }, [], comments).join('\n')}\n`)
