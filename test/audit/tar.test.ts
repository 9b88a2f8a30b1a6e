import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { BLOCK, bufferSource, readTar, type TarFile, tarHeader, writeTar } from '../../src/audit/tar.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { DecodeError } from '../../src/records/codec.ts'

const folder = mkdtempSync(join(tmpdir(), 'quorate-tar-'))
afterAll(() => rmSync(folder, { recursive: true }))

const written = async (files: readonly TarFile[]): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of writeTar(files)) chunks.push(chunk)
  return new Uint8Array(Buffer.concat(chunks))
}
const files: readonly TarFile[] = [
  { name: 'manifest.json', bytes: utf8('{}') },
  { name: 'objects/empty', bytes: new Uint8Array() },
  { name: 'objects/block', bytes: new Uint8Array(BLOCK).fill(1) },
  { name: 'logs/eu/events', bytes: new Uint8Array(700).fill(2) },
]

describe('tar', () => {
  it('is what the system’s tar lists and extracts', async () => {
    const path = join(folder, 'a.tar')
    writeFileSync(path, await written(files))
    const names = execFileSync('tar', ['tf', path], { encoding: 'utf8' }).trim().split('\n')
    expect(names).toEqual(files.map((file) => file.name))
    const event = execFileSync('tar', ['xOf', path, 'logs/eu/events'])
    expect(new Uint8Array(event)).toEqual(files[3]?.bytes)
    const listing = execFileSync('tar', ['tvf', path], {
      encoding: 'utf8',
      env: { TZ: 'UTC', PATH: process.env['PATH'] },
    })
    expect(listing).toMatch(/^-rw-r--r-- 0\/0 +2 1970-01-01 00:00 manifest.json$/m)
  })

  it('writes the same bytes for ever', async () => {
    expect(hashOf(await written(files))).toMatchInlineSnapshot(
      `"5f10bfabadc4efa31cb2c073a8c07aff8e045ea84a9239ce055f6f10cc3dbccd"`,
    )
  })

  it('reads back every file where it stands', async () => {
    const bytes = await written(files)
    const entries = await readTar(bufferSource(bytes), 10)
    expect(entries.map((e) => ({ name: e.name, bytes: bytes.slice(e.at, e.at + e.size) }))).toEqual(files)
  })

  it('refuses every flipped bit outside the contents', async () => {
    const bytes = await written(files)
    const inside = new Set(
      (await readTar(bufferSource(bytes), 10)).flatMap((e) => [...Array(e.size).keys()].map((i) => e.at + i)),
    )
    for (let at = 0; at < bytes.length; at++) {
      if (inside.has(at)) continue
      const bit = 1 << (at % 8)
      bytes[at] = (bytes[at] ?? 0) ^ bit
      const read = readTar(bufferSource(bytes), 10).then((list) => list.map((e) => e.name).join())
      // A flipped bit in a name and its checksum is the only other tar of this form; one flip never makes it.
      await expect(read).rejects.toThrow(DecodeError)
      bytes[at] = (bytes[at] ?? 0) ^ bit
    }
  })

  it('refuses more files than allowed, a cut file, and anything after the end', async () => {
    const bytes = await written(files)
    await expect(readTar(bufferSource(bytes), 3)).rejects.toThrow(DecodeError)
    for (let length = 0; length < bytes.length; length += 256)
      await expect(readTar(bufferSource(bytes.slice(0, length)), 10)).rejects.toThrow(DecodeError)
    for (const more of [1, BLOCK, 2 * BLOCK])
      await expect(readTar(bufferSource(Buffer.concat([bytes, new Uint8Array(more)])), 10)).rejects.toThrow(DecodeError)
    await expect(readTar(bufferSource(Buffer.concat([bytes, bytes])), 10)).rejects.toThrow(DecodeError)
  })

  it.each(['', '/etc/passwd', '../up', 'a/../b', 'a//b', 'a/', '.hidden', 'a\u0000b', 'a b', 'ä', 'a'.repeat(101)])(
    'writes no file named %j',
    (name) => {
      expect(() => tarHeader(name, 0)).toThrow(RangeError)
    },
  )

  it('reads any bytes without a crash', async () => {
    const good = await written(files)
    const piece = fc.record({ at: fc.nat(good.length), bytes: fc.uint8Array({ maxLength: 20 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 4 }), async (pieces) => {
        const bytes = good.slice()
        for (const one of pieces) bytes.set(one.bytes.subarray(0, Math.max(0, bytes.length - one.at)), one.at)
        try {
          const entries = await readTar(bufferSource(bytes), 10)
          const again = await written(entries.map((e) => ({ name: e.name, bytes: bytes.slice(e.at, e.at + e.size) })))
          expect(again).toEqual(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })
})
