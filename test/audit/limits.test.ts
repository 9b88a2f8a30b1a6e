import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readBundle, refuse } from '../../src/audit/bundle.ts'
import { eventCounter } from '../../src/audit/limits.ts'
import { encodeSigstore, openSigstore } from '../../src/audit/sigstore.ts'
import { BLOCK, bufferSource, readTar, type Source, tarHeader, writeTar } from '../../src/audit/tar.ts'
import { rawSigner } from '../../src/identity/ed25519.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { concat, fromBase64, toBase64, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { manifestCodec } from '../../src/records/manifest.ts'
import { pae } from '../../src/records/signed.ts'
import { root } from '../support/cli.ts'

/** A bundle that is large is no forgery: it is read, or refused for its size. */

const beyond = (what: string) => ({
  code: 'E_BUNDLE',
  message: expect.stringMatching(`^the bundle holds more than this version reads: .*${what}`),
  hint: expect.stringContaining('ask the sites'),
})

describe('base64', () => {
  it('is read at any length, and refused where it is not canonical', () => {
    const bytes = new Uint8Array(9_000_001).fill(7)
    expect(hashOf(fromBase64(toBase64(bytes)))).toBe(hashOf(bytes))
    for (const bad of ['QQ', 'QR==', 'QQ=', 'QQ==QUFB', 'Q Q==', 'QQ==\n', 'Q-_=', '====', 'é'])
      expect(() => fromBase64(bad)).toThrow(RangeError)
  })
})

describe('a manifest of 20,000 files', () => {
  it('is signed and opened', () => {
    const signer = rawSigner(new Secret(new Uint8Array(32).fill(3)))
    const files = Array.from({ length: 20_000 }, (_, n) => {
      const sha256 = hashOf(utf8(String(n)))
      return { name: `objects/${sha256}`, size: n, sha256 }
    })
    const statement = manifestCodec.encode({ ceremony: hashOf(utf8('')), kind: 'sign', logs: [], files })
    const signature = signer.sign(pae(manifestCodec.type, statement))
    expect(openSigstore(encodeSigstore(statement, signer.key, signature), statement, signer.key)).toEqual(signature)
  })
})

describe('a bundle beyond a limit', () => {
  it('has too many files', async () => {
    const files = ['a', 'b', 'c'].map((name) => ({ name, bytes: new Uint8Array() }))
    const chunks: Uint8Array[] = []
    for await (const chunk of writeTar(files)) chunks.push(chunk)
    const error = await readTar(bufferSource(concat(...chunks)), 2).catch((thrown: unknown) => thrown)
    expect(() => refuse(error)).toThrow(expect.objectContaining(beyond('more than 2 files')))
  })

  it('has a log of too many bytes, and none of them is read', async () => {
    const kept = new Uint8Array(readFileSync(join(root, 'test/compat/v0.1/keygen.bundle')))
    const { manifestBytes, definitionBytes, manifest } = await readBundle(bufferSource(kept))
    const [site] = manifest.logs
    const name = `logs/${site}/events`
    const size = 2 ** 29 + 512
    const files = [
      { name: 'definition.json', size: definitionBytes.length, sha256: hashOf(definitionBytes) },
      { name, size, sha256: hashOf(manifestBytes) as Hash },
    ]
    const stated = manifestCodec.encode({ ...manifest, files })
    const head: Uint8Array[] = []
    const parts = [
      { name: 'manifest.json', bytes: stated },
      { name: 'definition.json', bytes: definitionBytes },
    ]
    for await (const chunk of writeTar(parts)) head.push(chunk)
    const front = concat(concat(...head).slice(0, -2 * BLOCK), tarHeader(name, size))
    const read: number[] = []
    const source: Source = {
      size: front.length + size + 2 * BLOCK,
      async read(at, length) {
        if (at >= front.length && at < front.length + size) read.push(at)
        const bytes = new Uint8Array(length)
        bytes.set(front.subarray(at, at + length))
        return bytes
      },
    }
    await expect(readBundle(source)).rejects.toMatchObject(beyond(`${name} has more than`))
    expect(read).toEqual([])
  })

  it('has too many events in all of its logs together', () => {
    const [eu, us] = ['eu', 'us'] as [SiteId, SiteId]
    const count = eventCounter(5)
    count(eu, 2)
    count(us, 3)
    // A log that is read again counts once.
    count(eu, 1)
    count(eu, 2)
    expect(() => count(eu, 3)).toThrow(expect.objectContaining(beyond('more than 5 events')))
  })
})
