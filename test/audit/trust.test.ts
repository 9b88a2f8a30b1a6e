import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseTrust } from '../../src/audit/trust.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import type { Home } from '../../src/identity/home.ts'
import { fromUtf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { cardCodec } from '../../src/records/identity.ts'
import { memoryHome } from '../support/home.ts'

let eu: Home
let us: Home
let card: string
beforeAll(async () => {
  eu = (await memoryHome('eu')).home
  us = (await memoryHome('us')).home
  card = fromUtf8(toEnvelope(await (await us.unlock()).signer.sign(cardCodec, await us.card())))
})

describe('trust file', () => {
  it('takes identities and cards, comments, empty lines, any line end', () => {
    const trust = parseTrust(`# who we trust\r\n\n${eu.identity}   # Frankfurt\n  ${card}\n`)
    expect(trust.revoked(eu.identity)).toBeNull()
    expect(trust.revoked(us.identity)).toBeNull()
    expect(trust.size).toBe(2)
    expect(parseTrust('').revoked(eu.identity)).toBeUndefined()
  })

  it('knows since when an identity is revoked, and takes the earliest', () => {
    const at = Date.parse('2026-12-01T09:00:00Z')
    const line = `${eu.identity} revoked 2026-12-01T09:00:00Z`
    expect(parseTrust(line).revoked(eu.identity)).toBe(at)
    expect(parseTrust(`${line} # lost\n${eu.identity}`).revoked(eu.identity)).toBe(at)
    expect(parseTrust(`${eu.identity}\n${line}`).revoked(eu.identity)).toBe(at)
    expect(parseTrust(`${line}\n${eu.identity} revoked 2027-01-01T00:00:00Z`).revoked(eu.identity)).toBe(at)
    expect(parseTrust(`${card} revoked 2026-12-01T09:00:00Z`).revoked(us.identity)).toBe(at)
  })

  it('names the line that is wrong', () => {
    const other = eu.identity.endsWith('q') ? 'p' : 'q'
    for (const line of [
      'eu',
      `${eu.identity.slice(0, -1)}${other}`,
      `${eu.identity} revoked`,
      `${eu.identity} revoked 2026-12-01`,
      `${eu.identity} revoked 2026-13-01T00:00:00Z`,
      `${eu.identity} ${us.identity}`,
      card.replace('"sig":"', '"sig":"A'),
      card.slice(0, -1),
      '{}',
      '{"payload":7}',
    ])
      expect(() => parseTrust(`# first\n${line}\n`)).toThrow(
        expect.objectContaining({ code: 'E_TRUST_FILE', message: expect.stringContaining('line 2') }),
      )
  })

  it('never crashes', () => {
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom('\ufeff', 'q\u202e', '{"payload":"AAAA"}', '{"payload":null}', '{'),
    )
    fc.assert(
      fc.property(text, (file) => {
        try {
          parseTrust(file)
        } catch (error) {
          expect(error).toBeInstanceOf(QuorateError)
        }
      }),
    )
  })
})
