import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { isHomePath } from '../../lib/paths.ts'
import type { Disk } from '../../lib/ports.ts'
import { DecodeError } from '../../records/codec.ts'
import { approvalsFolder } from '../paths.ts'
import type { RecordStore } from './record-store.ts'

/** Something that is no file is no approval. */
const readOrNothing = async (disk: Pick<Disk, 'read'>, path: string): Promise<Uint8Array | undefined> => {
  try {
    return await disk.read(path)
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'E_FILE') return new Uint8Array()
    throw error
  }
}

/** Approvals in a home's folder, given there or carried by hand; unverified. */
export const keptApprovals = async (
  disk: Pick<Disk, 'list' | 'read'>,
  ceremony: Hash,
): Promise<readonly { readonly path: string; readonly bytes: Uint8Array }[]> => {
  const folder = approvalsFolder(ceremony)
  const kept: { path: string; bytes: Uint8Array }[] = []
  for (const name of await disk.list(folder)) {
    const path = `${folder}/${name}`
    if (!name.endsWith('.dsse')) continue
    // `eu (1).dsse` is a name that a download gives and no home: what it holds is not looked at, and it is no approval.
    const bytes = isHomePath(path) ? await readOrNothing(disk, path) : new Uint8Array()
    if (bytes !== undefined) kept.push({ path, bytes })
  }
  return kept
}

/** Those of them that are approvals: a file that is none must not keep a site from leaving, or from saying where it stands. */
export const admitKeptApprovals = async (
  book: RecordStore,
  disk: Pick<Disk, 'list' | 'read'>,
  ceremony: Hash,
): Promise<void> => {
  for (const { bytes } of await keptApprovals(disk, ceremony)) {
    try {
      book.admit('approval', bytes, null)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
}
