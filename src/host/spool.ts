import { type FileHandle, mkdtemp, open, rmdir, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { QuorateError } from '../lib/errors.ts'

/** As much as a bundle can have. */
const MOST_BYTES = 2 ** 33

/**
 * Bytes that come once, through a pipe, as a file that can be read at any place. It has no name from the beginning, so
 * that it is gone with this process, however that ends. Throws E_FILE where they are too many.
 */
export const withSpooled = async <T>(
  chunks: AsyncIterable<Uint8Array>,
  work: (file: FileHandle) => Promise<T>,
  most = MOST_BYTES,
): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-'))
  const path = join(folder, 'spooled')
  const file = await open(path, 'wx+', 0o600)
  try {
    await unlink(path)
    await rmdir(folder)
    let size = 0
    for await (const chunk of chunks) {
      size += chunk.length
      if (size > most) throw new QuorateError('E_FILE', `more than ${most} bytes came in`, 'pipe in one bundle')
      await file.writeFile(chunk)
    }
    return await work(file)
  } finally {
    await file.close()
  }
}
