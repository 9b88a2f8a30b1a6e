import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { openKmsKey } from '../../src/kms/registry.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { Secret } from '../../src/lib/secret.ts'
import { newFolder } from '../e2e/support.ts'
import { seededRandom } from '../support/random.ts'

/** Constants of PKCS#11, by their own numbers. */
const numbers = {
  ...{ CKF_ENCRYPT: 0x100, CKF_DECRYPT: 0x200, CKF_SERIAL_SESSION: 4, CKU_USER: 1, CKM_AES_GCM: 0x1087 },
  ...{ CKF_USER_PIN_FINAL_TRY: 0x20000, CKF_USER_PIN_LOCKED: 0x40000, CK_PARAMS_AES_GCM_v240: 1 },
  ...{ CKO_SECRET_KEY: 4, CKK_AES: 0x1f, CKA_CLASS: 0, CKA_TOKEN: 1, CKA_PRIVATE: 2, CKA_LABEL: 3 },
  ...{ CKA_KEY_TYPE: 0x100, CKA_ID: 0x102, CKA_SENSITIVE: 0x103, CKA_ENCRYPT: 0x104, CKA_DECRYPT: 0x105 },
  ...{ CKA_VALUE_LEN: 0x161, CKA_EXTRACTABLE: 0x162, CKA_NEVER_EXTRACTABLE: 0x164, CKA_ALWAYS_SENSITIVE: 0x165 },
}

/** A module that does as the test says, for what SoftHSM never does. */
const token = {
  calls: [] as string[],
  fails: new Map<string, string>(),
  flags: 0,
  slotFlags: 1,
  serial: '0123456789abcdef',
  mechanism: 0x300,
  attributes: new Map<number, Uint8Array>(),
  sealed: (length: number) => new Uint8Array(length + 16).fill(7),
  opened: (length: number) => new Uint8Array(length - 16).fill(9),
}
const ulong = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)

class PKCS11 {
  constructor() {
    const answer = (name: string, ...args: never[]): unknown => {
      token.calls.push(name)
      const fails = token.fails.get(name)
      if (fails !== undefined) throw new Error(fails)
      return this.#answers[name]?.(...args)
    }
    // biome-ignore lint/correctness/noConstructorReturn: whatever is called on it is a call into the module
    return new Proxy(this, { get: (_, name) => answer.bind(undefined, String(name)) })
  }
  readonly #answers: Readonly<Record<string, (...args: never[]) => unknown>> = {
    C_GetSlotList: () => [Buffer.alloc(8)],
    C_GetTokenInfo: () => ({
      ...{ label: 'eu'.padEnd(32), serialNumber: token.serial, manufacturerID: 'maker'.padEnd(32) },
      ...{ model: 'm\u0000del'.padEnd(16), flags: token.flags },
    }),
    C_GetSlotInfo: () => ({ flags: token.slotFlags }),
    C_GetMechanismInfo: () => ({ flags: token.mechanism }),
    C_FindObjects: () => [Buffer.alloc(8)],
    C_GetAttributeValue: (_: never, __: never, [{ type }]: readonly [{ type: number }]) => {
      const value = token.attributes.get(type)
      if (value === undefined) throw new Error('CKR_ATTRIBUTE_TYPE_INVALID:18')
      return [{ value: Buffer.from(value) }]
    },
    C_Encrypt: (_: never, { length }: Buffer) => Buffer.from(token.sealed(length)),
    C_Decrypt: (_: never, { length }: Buffer) => Buffer.from(token.opened(length)),
  }
}
vi.mock('pkcs11js', () => ({ default: { ...numbers, PKCS11 } }))

const work = newFolder('module')
const module = join(work.path, 'module.so')
writeFileSync(module, '')
chmodSync(module, 0o644)
afterAll(work.remove)

const context = 'ab'.repeat(32) as Hash
const key = `token=eu;object=quorate?module-path=${module.replaceAll(' ', '%20')}`
let pin = 0
const opened = () =>
  openKmsKey(
    { provider: 'pkcs11', key },
    { home: '/nowhere', random: seededRandom('module'), environment: { QUORATE_PKCS11_PIN: `pin ${pin}` } },
  )
const wrap = async () => (await opened()).wrap(new Secret(new Uint8Array(32).fill(9)), context)
const unwrap = async () =>
  (await opened()).unwrap({ provider: 'pkcs11', key, version: 'x', ciphertext: new Uint8Array(60) }, context)
const failing = (call: string, value: string): void => void token.fails.set(call, value)
const says = async (work: Promise<unknown>, kms: string, message: RegExp): Promise<void> => {
  await expect(work).rejects.toMatchObject({ details: { kms }, message: expect.stringMatching(message) })
}

beforeEach(() => {
  pin++
  token.calls.length = 0
  token.fails.clear()
  Object.assign(token, { flags: 0, slotFlags: 1, serial: '0123456789abcdef', mechanism: 0x300 })
  token.sealed = (length) => new Uint8Array(length + 16).fill(7)
  token.opened = (length) => new Uint8Array(length - 16).fill(9)
  const { CKA_SENSITIVE, CKA_PRIVATE, CKA_ENCRYPT, CKA_DECRYPT, CKA_EXTRACTABLE, CKA_KEY_TYPE, CKA_VALUE_LEN } = numbers
  token.attributes = new Map([
    ...[CKA_SENSITIVE, CKA_PRIVATE, CKA_ENCRYPT, CKA_DECRYPT].map((type) => [type, Uint8Array.of(1)] as const),
    [CKA_EXTRACTABLE, Uint8Array.of(0)],
    [CKA_KEY_TYPE, ulong(numbers.CKK_AES)],
    [CKA_VALUE_LEN, ulong(32)],
  ])
})

describe('a module', () => {
  it('is let go after each call, with nobody logged in', async () => {
    await wrap()
    await unwrap()
    const count = (name: string): number => token.calls.filter((call) => call === name).length
    expect(count('C_Initialize')).toBe(count('C_Finalize'))
    expect([count('C_OpenSession'), count('C_CloseSession'), count('load')]).toEqual([2, 2, 1])
    failing('C_Encrypt', 'CKR_DEVICE_REMOVED:50')
    await says(wrap(), 'unreachable', /cannot be reached \(CKR_DEVICE_REMOVED\)$/)
    expect(token.calls.slice(-2)).toEqual(['C_CloseSession', 'C_Finalize'])
  })

  it('that others in this process use is left to them', async () => {
    failing('C_Initialize', 'CKR_CRYPTOKI_ALREADY_INITIALIZED:401')
    failing('C_Login', 'CKR_USER_ALREADY_LOGGED_IN:256')
    await wrap()
    expect(token.calls).not.toContain('C_Finalize')
  })

  it('that cannot let go hides neither an answer nor a fault', async () => {
    for (const call of ['C_CloseSession', 'C_Finalize']) failing(call, 'CKR_GENERAL_ERROR:5')
    expect((await unwrap()).reveal()).toEqual(new Uint8Array(32).fill(9))
    failing('C_GetSlotInfo', 'CKR_SLOT_ID_INVALID:3')
    await says(opened(), 'unreachable', /CKR_SLOT_ID_INVALID/)
  })

  it('says what it is in one line', async () => {
    token.slotFlags = 5
    expect((await opened()).can).toEqual({
      context: true,
      hardware: true,
      protection: "pkcs11: a token (m?del) in hardware by its module's word",
    })
    token.serial = '    '
    expect((await wrap()).version).toBe('token')
  })

  it.each([
    ['C_Decrypt', 'CKR_ENCRYPTED_DATA_INVALID:64', 'wrong key', /ENCRYPTED_DATA_INVALID/],
    ['C_Decrypt', 'CKR_GENERAL_ERROR:5', 'wrong key', /GENERAL_ERROR/],
    ['C_Decrypt', 'CKR_VENDOR_DEFINED:66', 'wrong key', /AEAD_DECRYPT_FAILED/],
    ['C_Decrypt', 'CKR_VENDOR_DEFINED:2147483649', 'unreachable', /VENDOR_DEFINED 2147483649/],
    ['C_DecryptInit', 'CKR_GENERAL_ERROR:5', 'unreachable', /GENERAL_ERROR/],
    ['C_DecryptInit', 'CKR_KEY_FUNCTION_NOT_PERMITTED:104', 'unfit', /KEY_FUNCTION/],
    ['C_DecryptInit', 'CKR_MECHANISM_PARAM_INVALID:113', 'unfit', /MECHANISM_PARAM/],
    ['C_FindObjects', 'CKR_USER_NOT_LOGGED_IN:257', 'refused', /USER_NOT_LOGGED_IN/],
    ['C_OpenSession', 'CKR_TOKEN_NOT_PRESENT:224', 'unreachable', /TOKEN_NOT_PRESENT/],
    ['C_GetTokenInfo', 'CKR_TOKEN_NOT_RECOGNIZED:225', 'missing', /sees no token/],
    ['C_GetMechanismInfo', 'CKR_MECHANISM_INVALID:112', 'unfit', /does not do AES-GCM/],
    ['C_Login', 'CKR_PIN_LOCKED:164', 'refused', /does not take this PIN \(CKR_PIN_LOCKED\)/],
    ['C_Login', 'CKR_PIN_EXPIRED:163', 'refused', /does not take this PIN \(CKR_PIN_EXPIRED\)/],
    ['C_Login', 'CKR_USER_PIN_NOT_INITIALIZED:258', 'refused', /USER_PIN_NOT_INITIALIZED/],
  ])('whose %s fails with %s: %s', async (call, value, kms, message) => {
    failing(call, value)
    await says(unwrap(), kms, message)
  })

  it('that does AES-GCM in one direction alone is unfit', async () => {
    token.mechanism = 0x100
    await says(opened(), 'unfit', /does not do AES-GCM/)
  })

  it('that answers with another length is not believed', async () => {
    token.sealed = (length) => new Uint8Array(length)
    await says(wrap(), 'wrong answer', /a ciphertext of 32 bytes/)
    token.opened = () => new Uint8Array(31)
    await says(unwrap(), 'wrong answer', /a piece of 31 bytes/)
  })

  it('whose fault is none of PKCS#11 is a fault of ours', async () => {
    failing('C_Encrypt', 'broken')
    await expect(wrap()).rejects.toThrow('broken')
  })
})

describe('a PIN', () => {
  it.each([
    ['locked', 0x40000, /its PIN is locked/],
    ['at its last try', 0x20000, /one try is left before it locks/],
  ])('that is %s is not tried', async (_, flags, message) => {
    token.flags = flags
    await says(wrap(), 'refused', message)
    expect(token.calls).not.toContain('C_Login')
  })

  it('that was wrong is not tried again; another one is', async () => {
    failing('C_Login', 'CKR_PIN_INCORRECT:160')
    await says(wrap(), 'refused', /CKR_PIN_INCORRECT/)
    await says(wrap(), 'refused', /was wrong before/)
    expect(token.calls.filter((call) => call === 'C_Login')).toHaveLength(1)
    pin++
    await says(wrap(), 'refused', /CKR_PIN_INCORRECT/)
  })
})

describe('a key', () => {
  it('need not tell where it was made, and is refused where it tells that it was outside', async () => {
    await wrap()
    for (const type of [numbers.CKA_NEVER_EXTRACTABLE, numbers.CKA_ALWAYS_SENSITIVE]) {
      token.attributes.set(type, Uint8Array.of(1))
      await wrap()
      token.attributes.set(type, new Uint8Array())
      await wrap()
      token.attributes.set(type, Uint8Array.of(0))
      await says(wrap(), 'unfit', /its CKA_\w+ is false/)
      token.attributes.delete(type)
    }
  })

  it('that does not tell what it must is refused', async () => {
    for (const name of ['CKA_SENSITIVE', 'CKA_EXTRACTABLE', 'CKA_PRIVATE', 'CKA_ENCRYPT', 'CKA_DECRYPT'] as const) {
      const value = token.attributes.get(numbers[name]) ?? new Uint8Array()
      token.attributes.delete(numbers[name])
      await says(wrap(), 'unfit', new RegExp(`its ${name} is not told`))
      token.attributes.set(numbers[name], Uint8Array.of(value[0] === 1 ? 0 : 1))
      await says(wrap(), 'unfit', new RegExp(`its ${name} is ${value[0] !== 1}`))
      token.attributes.set(numbers[name], value)
    }
    token.attributes.set(numbers.CKA_KEY_TYPE, Uint8Array.of(0x1f))
    await says(wrap(), 'unfit', /not an AES key of 256 bits/)
    token.attributes.set(numbers.CKA_KEY_TYPE, ulong(numbers.CKK_AES))
    token.attributes.set(numbers.CKA_VALUE_LEN, new Uint8Array(Uint32Array.of(32).buffer))
    await wrap()
    token.attributes.set(numbers.CKA_VALUE_LEN, ulong(16))
    await says(wrap(), 'unfit', /not an AES key of 256 bits/)
  })
})
