import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { errno } from './disk-error.ts'

const CHUNK = 65_536
/** Between two looks at a pipe that has nothing yet. */
const PAUSE_MS = 10

const isPipe = async (path: string): Promise<boolean> => (await stat(path)).isFIFO()

/** A pipe that has a name in a folder may be read before anybody writes to it; that of a descriptor has its writer. */
export const mayGetWriter = async (path: string): Promise<boolean> =>
  !/^\/(?:dev\/fd|proc\/[^/]+\/fd)\//.test(path) && (await isPipe(path))

/**
 * Opens a file that an operator named. Never blocks: opening a pipe that nobody writes to would hold a thread that nothing
 * can stop, not even the end of the process. A read of one that has nothing yet fails with EAGAIN.
 */
export const openInput = async (path: string): Promise<FileHandle> =>
  open(path, (await isPipe(path)) ? constants.O_RDONLY | constants.O_NONBLOCK : constants.O_RDONLY)

async function* toEnd(handle: FileHandle, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  for (;;) {
    signal?.throwIfAborted()
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(CHUNK), 0, CHUNK, null)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    } catch (error) {
      if (errno(error) !== 'EAGAIN') throw error
      await delay(PAUSE_MS)
    }
  }
}

/** Bytes of such a file, in order; a named pipe is waited for until somebody wrote. Throws the reason of `signal`. */
export async function* inputBytes(path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  for (let waits = true; waits; ) {
    const handle = await openInput(path)
    try {
      for await (const chunk of toEnd(handle, signal)) {
        waits = false
        yield chunk
      }
    } finally {
      await handle.close()
    }
    waits &&= await mayGetWriter(path)
    if (waits) await delay(PAUSE_MS)
  }
}
