import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeCard, readCard } from '../../src/identity/card.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { rawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import { identityOf } from '../../src/identity/identity.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { fromBase64, fromUtf8, toBase64, utf8 } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { cardCodec } from '../../src/records/identity.ts'
import { memoryHome } from '../support/home.ts'

const cardFile = async (name = 'eu') => {
  const { home } = await memoryHome(name)
  return { home, file: await makeCard(await home.unlock(), await home.card()) }
}

describe('card', () => {
  it('is one line that its own identity signed', async () => {
    const { home, file } = await cardFile()
    expect(fromUtf8(file).split('\n')).toHaveLength(2)
    expect(readCard(file).value).toEqual(await home.card())
    expect(readCard(file.subarray(0, -1)).value).toEqual(await home.card())
  })

  it('is read as an editor or a mail program leaves it: with a byte order mark, with a line end of Windows', async () => {
    const { home, file } = await cardFile()
    const line = fromUtf8(file).trimEnd()
    for (const text of [`\ufeff${line}\n`, `${line}\r\n`, `\ufeff${line}\r\n`, `\ufeff${line}`])
      expect(readCard(utf8(text)).value).toEqual(await home.card())
    for (const text of [`\ufeff\ufeff${line}\n`, `${line}\r`, `${line}\r\r\n`, `\n${line}`])
      expect(() => readCard(utf8(text))).toThrow(/not a card/)
  })

  it('is refused with any byte changed, cut or added', async () => {
    const { file } = await cardFile()
    for (let at = 0; at < file.length - 1; at++) {
      const bytes = file.slice()
      bytes[at] = (bytes[at] ?? 0) ^ 1
      expect(() => readCard(bytes)).toThrow(/not a card/)
    }
    for (const wrong of [new Uint8Array(), file.subarray(1), file.subarray(0, -2), utf8(`${fromUtf8(file)}\n`)])
      expect(() => readCard(wrong)).toThrow(/not a card/)
  })

  it('is refused where another key signed it, or the identity is no site', async () => {
    const { home, file } = await cardFile()
    const raw = rawSigner(new Secret(new Uint8Array(32).fill(5)))
    const other = recordSigner('eu' as SiteId, raw)
    const stolen = await other.sign(cardCodec, await home.card())
    expect(() => readCard(toEnvelope(stolen))).toThrow(/none of the keys/)
    for (const role of ['approver', 'relay'] as const) {
      const posing = await other.sign(cardCodec, { ...(await home.card()), identity: identityOf(role, raw.key) })
      expect(() => readCard(toEnvelope(posing))).toThrow(/not a site/)
    }
    const envelope = JSON.parse(fromUtf8(file)) as { payload: string }
    const payload = fromUtf8(fromBase64(envelope.payload)).replace('"EU"', '"US"')
    expect(() => readCard(utf8(JSON.stringify({ ...envelope, payload: toBase64(utf8(payload)) })))).toThrow(
      /not a card/,
    )
  })

  it('signs no card that names another identity', async () => {
    const { home } = await cardFile()
    const us = (await memoryHome('us')).home
    await expect(makeCard(await us.unlock(), await home.card())).rejects.toThrow(/names/)
  })

  it('never crashes on a file', async () => {
    const { file } = await cardFile()
    const text = fromUtf8(file)
    const near = fc
      .tuple(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 5 }))
      .map(([at, cut, put]) => utf8(text.slice(0, at) + put + text.slice(at + cut)))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(utf8), near), (bytes) => {
        try {
          expect(readCard(bytes).bytes).toEqual(readCard(file).bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'E_CARD' })
        }
      }),
      { numRuns: 500 },
    )
  })
})
