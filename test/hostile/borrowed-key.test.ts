import { describe, expect, it } from 'vitest'
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
import { noteCodec } from '../../src/records/note.ts'
import { readyCodec } from '../../src/records/outcome.ts'
import { keygenDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'

/** A certificate proves who vouches for a key, not who holds it: a liar may certify a key that it only saw. */

const [eu, ap] = ['eu', 'ap'] as [SiteId, SiteId]
const other = hashOf(utf8('other'))

describe.each(['before', 'after'] as const)('a liar that certifies another’s keys, %s their owner', (order) => {
  const bookOf = async () => {
    const definition = await keygenDefinition()
    const authority = definitionAuthority(definition)
    const book = new RecordStore(authority, systemClock)
    const faults: string[] = []
    book.whenFaulty(({ site, check }) => faults.push(`${site} ${check}`))
    const raw = rawSigner(new Secret(new Uint8Array(32).fill(7)))
    const { home } = await memoryHome(eu)
    const { home: liar } = await memoryHome(ap)
    const join = { authority: authority.hash, expires: Date.now() + 1e6 }
    const by = async (one: typeof home) => {
      const { signer, identity } = await one.unlock()
      return [
        await certify(signer, identity, 'message', raw.key, join),
        await certify(signer, identity, 'note', home.keys.note.key),
      ].map(toEnvelope)
    }
    const both =
      order === 'before' ? [...(await by(liar)), ...(await by(home))] : [...(await by(home)), ...(await by(liar))]
    for (const bytes of both) book.admit('certificate', bytes, null)
    return { book, authority, raw, home, faults }
  }

  it('keeps no word of the owner away', async () => {
    const { book, authority, raw } = await bookOf()
    const value = { ceremony: authority.hash, site: eu, record: other, base: null }
    const envelope = toEnvelope(await recordSigner(eu, raw).sign(readyCodec, value))
    expect(book.admit('ready', envelope, eu)?.site).toBe(eu)
  })

  it('keeps no abort of the owner away', async () => {
    const { book, authority, home } = await bookOf()
    const note = {
      ceremony: authority.hash,
      identity: home.identity,
      counter: 1,
      at: 1,
      phase: 'aborted',
      approvals: [],
      votes: [],
      certificates: [],
      evidence: [],
      abort: 'reason',
    }
    const envelope = toEnvelope(await recordSigner(eu, home.keys.note).sign(noteCodec, note))
    expect(book.admit('aborted', envelope, eu)?.site).toBe(eu)
  })
})
