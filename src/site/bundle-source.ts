import { type FileHandle, open, stat } from 'node:fs/promises'
import type { Source } from '../audit/tar.ts'
import { inputBytes } from '../host/input.ts'
import { withSpooled } from '../host/spool.ts'
import { QuorateError } from '../lib/errors.ts'

/** A file's path, or bytes that come once. */
export type BundleInput = string | AsyncIterable<Uint8Array>

/** A file as a source of bytes that are read where they are wanted: bundles may be larger than memory. */
const sourceOf = async (handle: FileHandle): Promise<Source> => {
  const { size } = await handle.stat()
  return {
    size,
    async read(at, length) {
      const bytes = new Uint8Array(length)
      let done = 0
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, length - done, at + done)
        if (bytesRead === 0) throw new RangeError('the file ends early')
        done += bytesRead
      }
      return bytes
    },
  }
}

/** A pipe is read to its end first. Throws E_FILE for a folder, a device or a socket. */
export const withSource = async <T>(input: BundleInput, work: (source: Source) => Promise<T>): Promise<T> => {
  const onHandle = async (handle: FileHandle): Promise<T> => work(await sourceOf(handle))
  if (typeof input !== 'string') return withSpooled(input, onHandle)
  const found = await stat(input)
  if (found.isFIFO()) return withSpooled(inputBytes(input), onHandle)
  if (!found.isFile())
    throw new QuorateError('E_FILE', `${input} is no regular file`, 'name a file, or pipe the bundle in: --bundle -')
  const handle = await open(input, 'r')
  try {
    return await onHandle(handle)
  } finally {
    await handle.close()
  }
}
