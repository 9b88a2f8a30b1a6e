import { concat, equal, utf8 } from '../lib/bytes.ts'
import { DecodeError } from '../records/codec.ts'

/**
 * ustar (POSIX.1-1988) with one form for everything: regular files, mode 0644, owner, group and time zero, names of at
 * most 100 bytes, contents padded with zeros, two zero blocks, and nothing after them.
 */

export const BLOCK = 512
const MOST_BYTES = 2 ** 33 - 1
const NAME = /^[a-z0-9][a-zA-Z0-9._-]*(?:\/[a-z0-9][a-zA-Z0-9._-]*)*$/

const isTarName = (name: string): boolean => name.length <= 100 && NAME.test(name)

const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`

/** The header block of a file. Throws RangeError on a name or size that this form does not hold. */
export const tarHeader = (name: string, size: number): Uint8Array => {
  if (!isTarName(name)) throw new RangeError('name does not fit a bundle')
  if (!Number.isSafeInteger(size) || size < 0 || size > MOST_BYTES) throw new RangeError('size does not fit a bundle')
  const block = new Uint8Array(BLOCK)
  const put = (at: number, text: string): void => block.set(utf8(text), at)
  put(0, name)
  put(100, octal(0o644, 7))
  put(108, octal(0, 7))
  put(116, octal(0, 7))
  put(124, octal(size, 11))
  put(136, octal(0, 11))
  put(148, '        ')
  put(156, '0')
  put(257, 'ustar\u000000')
  put(329, octal(0, 7))
  put(337, octal(0, 7))
  const sum = block.reduce((total, byte) => total + byte, 0)
  put(148, `${octal(sum, 6)} `)
  return block
}

/** Zeros after `size` bytes, up to the next block. */
const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

export interface TarFile {
  readonly name: string
  readonly bytes: Uint8Array
}

export async function* writeTar(files: Iterable<TarFile> | AsyncIterable<TarFile>): AsyncIterable<Uint8Array> {
  for await (const { name, bytes } of files)
    yield concat(tarHeader(name, bytes.length), bytes, new Uint8Array(paddingOf(bytes.length)))
  yield new Uint8Array(2 * BLOCK)
}

/** Says nothing against those that there are. */
export class TooManyFiles extends DecodeError {}

/** Bytes that can be read at any place: a file, or a buffer. */
export interface Source {
  readonly size: number
  /** Exactly `length` bytes from `at`; never asked for more than there are. */
  read(at: number, length: number): Promise<Uint8Array>
}

export const bufferSource = (bytes: Uint8Array): Source => ({
  size: bytes.length,
  read: async (at, length) => bytes.subarray(at, at + length),
})

export interface TarEntry {
  readonly name: string
  /** Offset of the contents. */
  readonly at: number
  readonly size: number
}

const text = (block: Uint8Array, from: number, to: number): string => {
  const end = block.indexOf(0, from)
  return Buffer.from(block.subarray(from, end === -1 || end > to ? to : end)).toString('latin1')
}

const allZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

/**
 * The files of a tar, in order; the contents are not read. Each header is written again and compared, so no byte of
 * one is free; padding and end are zeros and nothing follows. Throws DecodeError.
 */
export const readTar = async (source: Source, mostFiles: number): Promise<readonly TarEntry[]> => {
  const entries: TarEntry[] = []
  if (source.size % BLOCK !== 0 || source.size < 2 * BLOCK) throw new DecodeError('bundle: not whole blocks')
  let at = 0
  for (;;) {
    const block = await source.read(at, BLOCK)
    at += BLOCK
    if (allZero(block)) break
    const name = text(block, 0, 100)
    const digits = text(block, 124, 135)
    if (!isTarName(name) || !/^[0-7]{11}$/.test(digits)) throw new DecodeError('bundle: bad header')
    const size = Number.parseInt(digits, 8)
    if (!equal(tarHeader(name, size), block)) throw new DecodeError(`bundle: bad header of ${name}`)
    const padding = paddingOf(size)
    if (at + size + padding + 2 * BLOCK > source.size) throw new DecodeError(`bundle: ${name} is cut short`)
    if (padding > 0 && !allZero(await source.read(at + size, padding)))
      throw new DecodeError(`bundle: ${name} is not padded with zeros`)
    if (entries.length === mostFiles) throw new TooManyFiles(`more than ${mostFiles} files`)
    entries.push({ name, at, size })
    at += size + padding
  }
  if (at + BLOCK !== source.size || !allZero(await source.read(at, BLOCK)))
    throw new DecodeError('bundle: does not end in two zero blocks')
  return entries
}
