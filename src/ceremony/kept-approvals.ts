import type { Hash } from '../lib/brand.ts'
import type { Disk } from '../lib/ports.ts'
import { approvalsFolder } from './home-paths.ts'

/** Approvals in a home's folder, given there or carried by hand; unverified. */
export const keptApprovals = async (
  disk: Pick<Disk, 'list' | 'read'>,
  ceremony: Hash,
): Promise<readonly { readonly path: string; readonly bytes: Uint8Array }[]> => {
  const folder = approvalsFolder(ceremony)
  const kept: { path: string; bytes: Uint8Array }[] = []
  for (const name of await disk.list(folder)) {
    const path = `${folder}/${name}`
    const bytes = name.endsWith('.dsse') ? await disk.read(path) : undefined
    if (bytes !== undefined) kept.push({ path, bytes })
  }
  return kept
}
