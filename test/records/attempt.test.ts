import { describe, expect, test } from 'vitest'
import { fromEnvelope, toEnvelope } from '../../src/identity/dsse.ts'
import { rawSigner } from '../../src/identity/ed25519.ts'
import type { Hash, KeyHex, SiteId } from '../../src/lib/brand.ts'
import { toCanonicalJson } from '../../src/lib/canonical.ts'
import { Secret } from '../../src/lib/secret.ts'
import { attemptCodec, helloCodec } from '../../src/records/attempt.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { noteCodec } from '../../src/records/note.ts'
import { resultCodec, signatureIn } from '../../src/records/outcome.ts'
import type { Author, RecordFacts } from '../../src/records/record-row.ts'
import { recordTable } from '../../src/records/record-table.ts'
import { pae, payloadType } from '../../src/records/signed.ts'

const hash = 'ab'.repeat(32) as Hash
const seat = (site: string) => ({ site: site as SiteId, key: 'cd'.repeat(32) as KeyHex, hello: hash, last: null })
const attemptV1 = {
  type: 'attempt/v1',
  ceremony: hash,
  number: 1,
  participants: [seat('eu'), seat('us')],
  base: null,
  round: 20,
  at: 1,
}
const helloV1 = {
  type: 'hello/v1',
  ceremony: hash,
  site: 'eu',
  nonce: '00'.repeat(16),
  sequence: 1,
  certificate: hash,
  approvals: [],
  evidence: [],
  ledger: { size: 1, root: hash, checkpoint: hash },
  epoch: null,
  votes: [],
  result: null,
  lastAttempt: null,
  attempts: 0,
  clock: 1,
  build: hash,
  check: false,
}

const resultV1 = {
  type: 'result/v1',
  ceremony: hash,
  attempt: hash,
  transcript: hash,
  base: hash,
  publicKey: 'cd'.repeat(32),
  message: hash,
  signature: '11'.repeat(64),
}

const noteV1 = {
  type: 'note/v1',
  ceremony: hash,
  identity: `qsite1${'q'.repeat(60)}`,
  counter: 1,
  at: 1,
  phase: 'ready',
  approvals: [],
  votes: ['AQ=='],
  evidence: [],
  abort: null,
}

describe('records of version 1', () => {
  test('an attempt was proposed by its first participant', () => {
    const { type, ...fields } = attemptV1
    expect(attemptCodec.decode(toCanonicalJson(attemptV1))).toEqual({ ...fields, coordinator: 'eu' })
  })

  test('a hello named no runtime and no ready set', () => {
    const { type, ...fields } = helloV1
    expect(helloCodec.decode(toCanonicalJson(helloV1))).toEqual({ ...fields, runtime: null, readySet: null, sdks: [] })
  })

  test('a hello names each provider of its keys once, in their order', () => {
    const { type, ...fields } = helloV1
    const hello = { ...fields, runtime: null, readySet: null } as never as Parameters<typeof helloCodec.encode>[0]
    const sdk = (provider: string) => ({ provider, build: hash as never })
    const sdks = [sdk('aws-kms'), sdk('gcp-kms')]
    expect(helloCodec.decode(helloCodec.encode({ ...hello, sdks })).sdks).toEqual(sdks)
    for (const wrong of [[...sdks].reverse(), [sdk('aws-kms'), sdk('aws-kms')], 'abcdefghi'.split('').map(sdk)])
      expect(() => helloCodec.encode({ ...hello, sdks: wrong })).toThrow(DecodeError)
  })

  test('a result named no site, and is not written again', () => {
    const { type, ...fields } = resultV1
    const old = resultCodec.decode(toCanonicalJson(resultV1))
    expect(old).toEqual({ ...fields, site: null })
    expect(() => resultCodec.encode(old)).toThrow(DecodeError)
    const today = resultCodec.decode(resultCodec.encode({ ...old, site: 'eu' as SiteId, transcript: null }))
    expect([today.site, today.transcript, signatureIn(today)]).toEqual(['eu', null, signatureIn(old)])
    expect(() => resultCodec.decode(toCanonicalJson({ ...resultV1, transcript: null }))).toThrow(DecodeError)
    expect(() => resultCodec.decode(toCanonicalJson({ ...resultV1, type: 'result/v2' }))).toThrow(DecodeError)
  })

  test('a note showed no certificates of voters', () => {
    const { type, ...fields } = noteV1
    expect(noteCodec.decode(toCanonicalJson(noteV1))).toEqual({ ...fields, certificates: [] })
    expect(noteCodec.type).toBe('note/v3')
  })

  test('are never written', () => {
    for (const [codec, old] of [
      [attemptCodec, attemptV1],
      [helloCodec, helloV1],
    ] as const) {
      const value = codec.decode(toCanonicalJson(old)) as never
      expect(JSON.parse(Buffer.from(codec.encode(value)).toString()).type).toBe(codec.type)
    }
  })

  test('take no field of version 2', () => {
    expect(() => attemptCodec.decode(toCanonicalJson({ ...attemptV1, coordinator: 'us' }))).toThrow(DecodeError)
    expect(() => helloCodec.decode(toCanonicalJson({ ...helloV1, runtime: 'node 20.20.2' }))).toThrow(DecodeError)
    expect(() => attemptCodec.decode(toCanonicalJson({ ...attemptV1, type: 'attempt/v2' }))).toThrow(DecodeError)
  })

  test('open only from an envelope that says their version', () => {
    const signer = rawSigner(new Secret(new Uint8Array(32).fill(3)))
    const bytes = toCanonicalJson(attemptV1)
    const under = (type: string): Uint8Array =>
      toEnvelope({ type, bytes, value: null, key: signer.key, signature: signer.sign(pae(payloadType(type), bytes)) })
    expect(fromEnvelope(attemptCodec, under('attempt/v1'), [signer.key])).toMatchObject({
      type: 'attempt/v1',
      bytes,
      value: { coordinator: 'eu' },
    })
    expect(() => fromEnvelope(attemptCodec, under('attempt/v2'), [signer.key])).toThrow(DecodeError)
    expect(() => fromEnvelope(attemptCodec, under('hello/v1'), [signer.key])).toThrow(DecodeError)
  })
})

describe('a statement of a signature', () => {
  const { type, ...fields } = resultV1
  const attempt = attemptCodec.decode(toCanonicalJson(attemptV1))
  const seated = attempt.participants[0]?.key as KeyHex
  const whyNot = (site: string, key: KeyHex, transcript: Hash | null) =>
    recordTable.result.rests(
      { ...fields, base: hash, message: hash, ceremony: hash, attempt: hash, site: site as SiteId, transcript },
      { key } as Author,
      { started: () => attempt } as unknown as RecordFacts,
    )

  test('has a transcript under a key with a seat alone', () => {
    const other = 'ef'.repeat(32) as KeyHex
    expect(whyNot('eu', seated, hash)).toBeUndefined()
    expect(whyNot('eu', seated, null)).toBeUndefined()
    expect(whyNot('ap', other, null)).toBeUndefined()
    expect(whyNot('ap', other, hash)).toContain('no seat')
    // A signer that came back under another key, and a spare that certified a signer's key.
    expect(whyNot('eu', other, hash)).toContain('no seat')
    expect(whyNot('ap', seated, hash)).toContain('no seat')
  })
})
