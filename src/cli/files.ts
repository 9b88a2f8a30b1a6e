import { open, unlink } from 'node:fs/promises'
import { inputBytes } from '../host/input.ts'
import { equal, fromUtf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { stopRequested } from './signals.ts'

const MIB = 2 ** 20

/** Content of a file that a flag names, at most `limit` bytes; `-` is stdin. Throws E_FILE. */
export const readFileFlag = async (path: string, limit = MIB): Promise<Uint8Array> => {
  const chunks: Buffer[] = []
  let size = 0
  const take = (chunk: Buffer): void => {
    size += chunk.length
    if (size > limit) throw new QuorateError('E_FILE', `${path}: more than ${limit} bytes`, 'check the path')
    chunks.push(chunk)
  }
  const bytes = path === '-' ? process.stdin : inputBytes(path, stopRequested())
  for await (const chunk of bytes) take(chunk as Buffer)
  return new Uint8Array(Buffer.concat(chunks))
}

/** A file that is read where it is wanted, by its path; `-` is stdin, which comes once. */
export const inputFlag = (path: string): string | AsyncIterable<Uint8Array> => (path === '-' ? process.stdin : path)

/** Throws E_USAGE where two flags of one command are to read stdin: it comes once. */
export const refuseStdinTwice = (paths: readonly (string | undefined)[]): void => {
  if (paths.filter((path) => path === '-').length > 1)
    throw new QuorateError('E_USAGE', 'two flags are -, and stdin comes once', 'name a file for one of them')
}

export const readTextFile = async (path: string): Promise<string> => {
  try {
    return fromUtf8(await readFileFlag(path))
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new QuorateError('E_FILE', `${path} is not UTF-8 text`, 'check the path', {}, error)
  }
}

/** Makes a file that is not there yet; throws E_EXISTS otherwise. Nothing is left of one that could not be written whole. */
export const writeNewStream = async (path: string, bytes: AsyncIterable<Uint8Array>, mode: number): Promise<void> => {
  const handle = await open(path, 'wx', mode)
  try {
    // `write` may take a part only, where the disk is nearly full.
    for await (const chunk of bytes) await handle.writeFile(chunk)
    await handle.chmod(mode)
    await handle.sync()
  } catch (error) {
    await unlink(path).catch(() => undefined)
    throw error
  } finally {
    await handle.close()
  }
}

export const writeNewFile = (path: string, bytes: Uint8Array, mode: number): Promise<void> =>
  writeNewStream(path, once(bytes), mode)

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

/** Throws what making this file would throw, E_EXISTS where it is there; leaves nothing behind. */
export const refuseUncreatable = async (path: string): Promise<void> => {
  const handle = await open(path, 'wx', 0o600)
  await handle.close()
  await unlink(path)
}

/** As `writeNewFile`, but the same bytes again are no error: a command that is run twice ends the same. */
export const writeSameFile = async (path: string, bytes: Uint8Array, mode: number): Promise<void> => {
  try {
    await writeNewFile(path, bytes, mode)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (!equal(await readFileFlag(path), bytes))
      throw new QuorateError('E_EXISTS', `${path} holds something else`, 'name another file; nothing was overwritten')
  }
}
