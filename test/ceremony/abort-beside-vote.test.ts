import { describe, expect, it } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { ceremonyFolder } from '../../src/ceremony/paths.ts'
import { writeNote } from '../../src/ceremony/store/notes.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { certify } from '../../src/identity/certificate.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { rawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { readyCodec } from '../../src/records/outcome.ts'
import { stillClock } from '../../src/rehearsal/still-clock.ts'
import { keygenDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'

const eu = 'eu' as SiteId

describe('an abort beside a vote of the same site', () => {
  it.each([
    ['the abort', 'the vote'],
    ['the vote', 'the abort'],
  ] as const)('takes nobody out, %s first', async (...order) => {
    const definition = await keygenDefinition()
    const ceremony = ceremonyId(definition)
    const clock = stillClock()
    const store = new RecordStore(definitionAuthority(definition), clock)
    const { home, disk } = await memoryHome(eu)
    await disk.folder(ceremonyFolder(ceremony))
    const { signer } = await home.unlock()
    const raw = rawSigner(new Secret(new Uint8Array(32).fill(7)))
    const join = { authority: ceremony, expires: clock.now() + 1e6 }
    const certificates = [
      toEnvelope(home.certificates.note),
      toEnvelope(await certify(signer, home.identity, 'message', raw.key, join)),
    ]
    for (const bytes of certificates) store.admit('certificate', bytes, null)
    const vote = await recordSigner(eu, raw).sign(readyCodec, {
      ceremony,
      site: eu,
      record: hashOf(utf8('record')),
      base: null,
    })
    const note = await writeNote(home, clock, store, 'aborted', 'gone')
    const say = { 'the abort': ['aborted', note], 'the vote': ['ready', toEnvelope(vote)] } as const
    for (const what of order) store.admit(say[what][0], say[what][1], null)
    expect(store.aborts.size).toBe(1)
    expect([...store.goneIdentities()]).toEqual([])
  })
})
