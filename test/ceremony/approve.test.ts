import { beforeAll, describe, expect, it } from 'vitest'
import { parseTrust } from '../../src/audit/trust.ts'
import { approve } from '../../src/ceremony/definition/approve.ts'
import { digestMessage, fileMessage, hexMessage, messageBytes } from '../../src/ceremony/definition/message.ts'
import { fromEnvelope, toEnvelope } from '../../src/identity/dsse.ts'
import type { Home } from '../../src/identity/home.ts'
import { parseIdentity } from '../../src/identity/identity.ts'
import type { Hash, KeyHex, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { approvalCodec } from '../../src/records/identity.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { SignDefinition } from '../../src/records/kinds/sign.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'

const now = Date.parse('2026-12-01T10:00:00Z')
const payment = utf8('pay bob')
let eu: Home
let keygen: KeygenDefinition
let sign: SignDefinition
beforeAll(async () => {
  eu = (await memoryHome('eu')).home
  keygen = await keygenDefinition()
  sign = await signDefinition({ message: fileMessage('payment.txt', payment) })
})
const by = async (home: Home, wanted: Partial<Parameters<typeof approve>[1]> = {}) =>
  approve(await home.unlock(), {
    definition: keygen,
    now,
    ...(home.role === 'site' ? { card: await home.card() } : {}),
    ...wanted,
  })

describe('approve', () => {
  it('signs the hash of the definition, with identity and role', async () => {
    const signed = await by(eu)
    const key = parseIdentity(eu.identity)?.key as KeyHex
    expect(fromEnvelope(approvalCodec, toEnvelope(signed), [key]).value).toEqual({
      ceremony: ceremonyId(keygen),
      identity: eu.identity,
      role: 'site',
      purpose: 'approve',
      at: now,
    })
  })

  it('lets an approver approve as one', async () => {
    const { home } = await memoryHome('cfo', { role: 'approver', name: 'cfo' as SiteId })
    const signed = await by(home, { definition: { ...keygen, approvers: [home.identity] } })
    expect(signed.value.role).toBe('approver')
    await expect(by(home)).rejects.toMatchObject({ code: 'E_NOT_ALLOWED' })
  })

  it('refuses a stranger', async () => {
    await expect(by((await memoryHome('xx')).home)).rejects.toMatchObject({ code: 'E_NOT_ALLOWED', exit: 1 })
  })

  it('refuses a definition that says of this site what its card does not', async () => {
    const card = await eu.card()
    for (const change of [
      { name: 'de' as SiteId },
      { kms: [{ provider: 'local', key: '/other' }] },
      { stores: ['elsewhere'] },
      { jurisdiction: 'DE' },
      { control: { ...card.control, account: 'x' } },
      { measurement: 'ab'.repeat(32) },
    ])
      await expect(by(eu, { card: { ...card, ...change } })).rejects.toMatchObject({ code: 'E_CARD' })
    const us = (await memoryHome('us')).home
    await expect(by(eu, { card: await us.card() })).rejects.toMatchObject({ code: 'E_CARD' })
  })

  it('refuses a definition that lint refuses, and a window that has closed', async () => {
    await expect(by(eu, { definition: { ...keygen, threshold: 4 } })).rejects.toMatchObject({ code: 'E_DEFINITION' })
    await expect(by(eu, { now: Date.parse(keygen.window.closes) })).rejects.toMatchObject({ code: 'E_WINDOW' })
    await by(eu, { now: Date.parse(keygen.window.opens) - 1 })
  })

  it('refuses identities that are not in the trust file, or revoked by it', async () => {
    const [, us, ap] = keygen.sites.map((site) => site.identity)
    await by(eu, { trust: parseTrust(`${us}\n${ap}\n`) })
    await expect(by(eu, { trust: parseTrust(`${us}\n`) })).rejects.toMatchObject({
      code: 'E_REFUSED',
      message: expect.stringContaining('not in'),
    })
    await expect(by(eu, { trust: parseTrust(`${us}\n${ap} revoked 2026-01-01T00:00:00Z\n`) })).rejects.toMatchObject({
      code: 'E_REFUSED',
      message: expect.stringContaining('revoked'),
    })
  })

  it('signs a signature’s definition only with the message at hand', async () => {
    await by(eu, { definition: sign, message: payment })
    await expect(by(eu, { definition: sign })).rejects.toMatchObject({ code: 'E_FILE' })
    for (const wrong of ['pay eve', 'pay bob ', ''])
      await expect(by(eu, { definition: sign, message: utf8(wrong) })).rejects.toMatchObject({ code: 'E_REFUSED' })
    const digest = { ...sign, message: digestMessage(new Uint8Array(32).fill(1), 'a contract on paper') }
    await by(eu, { definition: digest })
    await expect(by(eu, { definition: digest, message: payment })).rejects.toMatchObject({ code: 'E_REFUSED' })
  })

  it('refuses a signature’s definition that is not of the key that this site holds', async () => {
    const shares = { publicKey: 'aa'.repeat(32), verifyingShares: [] }
    const base = { definition: keygen, key: sign.key, record: sign.base, epoch: 1, ...shares }
    await by(eu, { definition: sign, message: payment, base })
    await expect(
      by(eu, { definition: sign, message: payment, base: { ...base, record: '11'.repeat(32) as Hash } }),
    ).rejects.toMatchObject({ code: 'E_DEFINITION' })
    const swapped = { ...sign, sites: [...sign.sites].reverse() }
    await expect(by(eu, { definition: swapped, message: payment, base })).rejects.toMatchObject({
      code: 'E_DEFINITION',
    })
  })
})

describe('message', () => {
  it('is the bytes, or the digest itself', () => {
    expect(messageBytes(fileMessage('a', payment), payment)).toEqual(payment)
    expect(messageBytes(hexMessage(payment), payment)).toEqual(payment)
    expect(messageBytes(digestMessage(payment, 'why'), undefined)).toEqual(payment)
  })

  it('has a limit beyond which only its digest is signed', () => {
    expect(() => hexMessage(new Uint8Array(1_048_577))).toThrow(expect.objectContaining({ code: 'E_USAGE' }))
    expect(() => fileMessage('a', new Uint8Array(67_108_865))).toThrow(expect.objectContaining({ code: 'E_USAGE' }))
  })
})
