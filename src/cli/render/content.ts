import { printable } from '../../lib/printable.ts'
import type { Line } from '../term.ts'

/** Most of a content that stands on a screen; the rest is counted. */
const MOST_LINES = 20
const MOST_BYTES = 1024
/** Columns of one line of it, so that no terminal of 80 breaks one: a broken line would begin without its bar. */
const WIDTH = 64
const BYTES_A_LINE = 16

type Form = 'empty' | 'text' | 'binary'

/** Text is well-formed UTF-8 without control characters other than tabs and ends of lines. */
export const formOf = (content: Uint8Array): Form => {
  if (content.length === 0) return 'empty'
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
    return /[^\P{Cc}\t\r\n]/u.test(text) ? 'binary' : 'text'
  } catch {
    return 'binary'
  }
}

/** Beyond the Latin letters a character may take two columns. */
const columnsOf = (char: string): number => (char < '\u0300' ? 1 : 2)

/** One line of a text as rows of at most WIDTH columns, escaped. */
const rowsOf = (line: string): readonly string[] => {
  const rows: string[] = []
  let row = ''
  let columns = 0
  for (const char of printable(line)) {
    if (columns + columnsOf(char) > WIDTH) {
      rows.push(row)
      row = ''
      columns = 0
    }
    row += char
    columns += columnsOf(char)
  }
  return [...rows, row]
}

/** The beginning of a text that MOST_BYTES hold, not cut within a character. */
const beginning = (content: Uint8Array): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(content.subarray(0, MOST_BYTES), {
    stream: content.length > MOST_BYTES,
  })

const textRows = (content: Uint8Array): readonly string[] => {
  const lines = beginning(content).split(/\r?\n/)
  // The end of the last line begins no further one.
  if (content.length <= MOST_BYTES && lines.at(-1) === '') lines.pop()
  return lines.flatMap(rowsOf)
}

const hexRows = (content: Uint8Array): readonly string[] =>
  Array.from({ length: Math.ceil(Math.min(content.length, MOST_BYTES) / BYTES_A_LINE) }, (_, at) => {
    const bytes = [...content.subarray(at * BYTES_A_LINE, (at + 1) * BYTES_A_LINE)]
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')
    const ascii = bytes.map((byte) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    return `${hex.padEnd(2 * BYTES_A_LINE)}  ${ascii}`
  })

/**
 * The content that is decided on, escaped, every row behind a bar: nothing in it can look like a line of ours. The first
 * 20 rows or 1 KiB; the last line says that more follows.
 */
export const contentLines = (content: Uint8Array): readonly Line[] => {
  const form = formOf(content)
  if (form === 'empty') return []
  const rows = form === 'text' ? textRows(content) : hexRows(content)
  const shown = rows.slice(0, MOST_LINES)
  const more = content.length > MOST_BYTES || rows.length > shown.length
  return [
    ...shown.map((row) => ({ text: `│ ${row}` })),
    ...(more ? [{ text: 'more follows: look at the whole before you decide', tone: 'warn' as const }] : []),
  ]
}
