import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ceremonyOrigin,
  cosignLine,
  encodeNote,
  ledgerOrigin,
  NOTE_LIMIT,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  signCheckpoint,
  verifyCosignature,
  withCosignatures,
  witnessName,
} from '../../src/audit/note.ts'
import { publicKeyOf, rawSigner } from '../../src/identity/ed25519.ts'
import { identityOf } from '../../src/identity/identity.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { sha256 } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { DecodeError } from '../../src/records/codec.ts'

const seed = (n: number): Secret => new Secret(new Uint8Array(32).fill(n))
const log = rawSigner(seed(1))
const witness = rawSigner(seed(2))
const identity = identityOf('site', publicKeyOf(seed(3)))
const ceremony = toHex(sha256(utf8('a definition'))) as Hash
const origin = ceremonyOrigin(ceremony, identity)
const root = sha256(utf8('root'))
const note = signCheckpoint({ origin, size: 42, root }, log)
const name = witnessName(identity)
const line = cosignLine(parseNote(note).text, name, witness, 1_796_000_000)

describe('signed notes', () => {
  it('reads back the checkpoint that it signs', () => {
    const head = openCheckpoint(note, origin, log.key)
    expect(head).toMatchObject({ origin, size: 42 })
    expect(head.root).toEqual(root)
    expect(encodeNote(head.note)).toBe(note)
    expect(note.split('\n').slice(0, 2)).toEqual([origin, '42'])
  })

  it('writes the same bytes for ever', () => {
    expect(withCosignatures(note, [line])).toMatchInlineSnapshot(`
      "quorate/ceremony/a177cc21d3aca3bda1f684dfd8f77daf687dfb4299d0555636d98cd6520c8344/qsite1a4yj333g68pvd6hfqvufqkv4vy54jfe6t33ljd3kc9rpfty8xlgsne5xjn
      42
      SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=

      — quorate/ceremony/a177cc21d3aca3bda1f684dfd8f77daf687dfb4299d0555636d98cd6520c8344/qsite1a4yj333g68pvd6hfqvufqkv4vy54jfe6t33ljd3kc9rpfty8xlgsne5xjn tQ1YWZn/gzYDxr9j2UlyLtpHIvnKQrUceQ/h8sDU0/19olPcUe/Zvu4WSIUvNGNCaqOpgTl8lUoRYj3QZwqw9tdNywE=
      — quorate/witness/qsite1a4yj333g68pvd6hfqvufqkv4vy54jfe6t33ljd3kc9rpfty8xlgsne5xjn HvU+KwAAAABrDMkAfaiFgxE3xInBf+W1ptDq2HH6PERIA69MLFhrmoxRbBSzOCHH7Le7BisROLXOHUk+VPSVaaJMwmBw4p1Ae9P4DA==
      "
    `)
  })

  it('names logs and witnesses so that none passes for another', () => {
    expect(ledgerOrigin(identity)).toBe(`quorate/ledger/${identity}`)
    expect(origin).toMatch(/^quorate\/ceremony\/[0-9a-f]{64}\/qsite1\w+$/)
    expect(name).toBe(`quorate/witness/${identity}`)
  })

  it('takes a cosignature and its time, and refuses another name, key or text', () => {
    const joined = withCosignatures(note, [line])
    const parsed = openCheckpoint(joined, origin, log.key).note
    const [, cosignature] = parsed.signatures
    if (cosignature === undefined) throw new Error('no cosignature')
    expect(verifyCosignature(parsed.text, cosignature, name, witness.key)).toBe(1_796_000_000)
    expect(verifyCosignature(parsed.text, cosignature, name, log.key)).toBeUndefined()
    expect(verifyCosignature(parsed.text, cosignature, `${name}x`, witness.key)).toBeUndefined()
    expect(verifyCosignature(`${parsed.text}x\n`, cosignature, name, witness.key)).toBeUndefined()
    const later = { ...cosignature, signature: cosignature.signature.map((b, i) => (i === 7 ? b ^ 1 : b)) }
    expect(verifyCosignature(parsed.text, later, name, witness.key)).toBeUndefined()
  })

  it('puts cosignatures in one order, each once', () => {
    const other = cosignLine(parseNote(note).text, 'quorate/witness/a', log, 5)
    expect(withCosignatures(note, [line, other])).toBe(withCosignatures(withCosignatures(note, [other, line]), [line]))
  })

  it('refuses another key, origin, a second log signature, and a cosignature in the place of the log’s', () => {
    expect(() => openCheckpoint(note, origin, witness.key)).toThrow(DecodeError)
    expect(() => openCheckpoint(note, ledgerOrigin(identity), log.key)).toThrow(DecodeError)
    const [own] = parseNote(note).signatures
    if (own === undefined) throw new Error('no signature')
    const text = parseNote(note).text
    expect(() => openCheckpoint(encodeNote({ text, signatures: [own, own] }), origin, log.key)).toThrow(DecodeError)
    const asLog = cosignLine(text, origin, log, 7)
    expect(() => openCheckpoint(`${text}\n${asLog}`, origin, log.key)).toThrow(DecodeError)
  })

  it('refuses every flipped bit of a checkpoint', () => {
    const bytes = utf8(note)
    for (let at = 0; at < bytes.length; at++)
      for (let bit = 0; bit < 8; bit++) {
        const altered = bytes.map((b, i) => (i === at ? b ^ (1 << bit) : b))
        expect(() => openCheckpoint(altered, origin, log.key)).toThrow(DecodeError)
      }
  })

  it.each([
    ['no newline at the end', note.slice(0, -1)],
    ['no signature', `${parseNote(note).text}\n`],
    ['no text', `\n${note.slice(note.lastIndexOf('\n\n') + 2)}`],
    ['a carriage return', note.replace('\n', '\r\n')],
    ['a leading zero', note.replace('\n42\n', '\n042\n')],
    ['a size beyond safe integers', note.replace('\n42\n', '\n9999999999999999\n')],
    ['an extension line', note.replace('\n\n', '\nextension\n\n')],
    ['a hyphen for the dash', note.replace('\u2014', '-')],
    ['two spaces', note.replace('\u2014 ', '\u2014  ')],
    ['unpadded base64', note.replace(/=+\n/, '\n')],
    ['a plus in the name', note.replaceAll('quorate/', 'quo+rate/')],
    ['too many bytes', note + line.repeat(Math.ceil(NOTE_LIMIT / line.length))],
    ['too many signatures', note + `\u2014 a ${'A'.repeat(92)}\n`.repeat(64)],
    ['a byte order mark', `\ufeff${note}`],
  ])('refuses %s', (_, text) => {
    expect(() => openCheckpoint(text, origin, log.key)).toThrow(DecodeError)
  })

  it('takes from outside only what it would have written, and never crashes', () => {
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ maxLength: 300 }).map(utf8),
      fc
        .tuple(fc.nat(note.length), fc.string({ unit: fc.constantFrom('\n', '\u2014', ' ', '+', '=', 'A', '0') }))
        .map(([at, put]) => utf8(note.slice(0, at) + put + note.slice(at + put.length))),
    )
    fc.assert(
      fc.property(junk, (bytes) => {
        for (const read of [parseNote, parseCheckpoint])
          try {
            const parsed = read(bytes)
            expect(utf8(encodeNote('note' in parsed ? parsed.note : parsed))).toEqual(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError)
          }
      }),
      { numRuns: 2000 },
    )
  })
})
