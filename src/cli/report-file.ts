import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Hash } from '../lib/brand.ts'
import { shortId } from '../records/short-id.ts'
import { writeNewFile } from './files.ts'

/** Of a time, as file names can hold it: 20261201T090000Z. */
const stamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`

interface Report {
  readonly bytes: Uint8Array
  /** Milliseconds since 1970. */
  readonly at: number
}

/** Writes a report into a folder of reports, under its name and time, and returns its path. */
export const writeStamped = async ({ bytes, at }: Report, folder: string, name: string): Promise<string> => {
  const path = join(folder, `${name}-${stamp(at)}.dsse`)
  await mkdir(folder, { recursive: true })
  await writeNewFile(path, bytes, 0o644)
  return path
}

/** Writes a rehearsal's report where the flags say, and returns its path. Throws E_EXISTS where it is there. */
export const writeReport = async (
  report: Report,
  { ceremony }: { readonly ceremony: Hash },
  { definition, out }: { readonly definition: string; readonly out?: string | undefined },
): Promise<string> => {
  const beside = definition === '-' ? '.' : dirname(definition)
  if (out === undefined) return writeStamped(report, join(beside, 'rehearsals'), shortId(ceremony))
  await writeNewFile(out, report.bytes, 0o644)
  return out
}
