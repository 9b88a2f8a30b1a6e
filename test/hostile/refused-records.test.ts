import { beforeEach, describe, expect, it, vi } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { systemClock } from '../../src/host/clock.ts'
import { certify } from '../../src/identity/certificate.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { rawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { stagedCodec } from '../../src/records/outcome.ts'
import { decodeEnvelope, encodeEnvelope } from '../../src/records/signed.ts'
import { keygenDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'

/** What it costs a site that a peer sends it records which do not hold. */

const counted = vi.hoisted(() => ({ checks: 0 }))
vi.mock('../../src/identity/ed25519.ts', async (original) => {
  const real = await original<typeof import('../../src/identity/ed25519.ts')>()
  return {
    ...real,
    verifyEd25519: (...args: Parameters<typeof real.verifyEd25519>) => {
      counted.checks++
      return real.verifyEd25519(...args)
    },
  }
})

const eu = 'eu' as SiteId
const other = hashOf(utf8('other'))
const KEYS = 40

const key = (n: number) => rawSigner(new Secret(new Uint8Array(32).fill(n)))

describe('a record that does not hold', () => {
  const setUp = async () => {
    const authority = definitionAuthority(await keygenDefinition())
    const book = new RecordStore(authority, systemClock)
    const faults: string[] = []
    book.whenFaulty(({ site, check }) => faults.push(`${site} ${check}`))
    const { home } = await memoryHome(eu)
    const { signer, identity } = await home.unlock()
    const join = { authority: authority.hash, expires: Date.now() + 1e6 }
    for (let n = 1; n <= KEYS; n++)
      book.admit('certificate', toEnvelope(await certify(signer, identity, 'message', key(n).key, join)), null)
    const value = { ceremony: other, attempt: other, site: eu, index: 1 as never, outcome: other, envelope: other }
    const stray = toEnvelope(await recordSigner(eu, key(KEYS)).sign(stagedCodec, value))
    counted.checks = 0
    return { book, faults, stray }
  }
  let at: Awaited<ReturnType<typeof setUp>>
  beforeEach(async () => {
    at = await setUp()
  })

  it('is its signer’s fault for one signature check, however many keys are certified, and for none the next time', () => {
    at.book.refused(at.stray)
    expect(at.faults).toEqual(['eu malformed-record'])
    expect(counted.checks).toBe(1)
    at.book.refused(at.stray)
    expect(at.faults).toHaveLength(1)
    expect(counted.checks).toBe(1)
  })

  it('costs one check where it names a key that did not sign it', () => {
    const envelope = decodeEnvelope(at.stray, stagedCodec.limit)
    at.book.refused(encodeEnvelope({ ...envelope, signature: new Uint8Array(64) }))
    expect(at.faults).toEqual([])
    expect(counted.checks).toBe(1)
  })

  it('costs none where it names no key that anybody certified, or is no envelope', () => {
    const envelope = decodeEnvelope(at.stray, stagedCodec.limit)
    at.book.refused(encodeEnvelope({ ...envelope, keyid: 'SHA256:nobody' }))
    at.book.refused(utf8('{}'))
    expect(at.faults).toEqual([])
    expect(counted.checks).toBe(0)
  })
})
