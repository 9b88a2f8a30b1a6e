import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pkcs11Material, pkcs11Place, readPkcs11Name } from '../../src/kms/pkcs11-name.ts'
import { holderOf } from '../../src/kms/providers.ts'
import { openKmsKey, parseKmsSlot } from '../../src/kms/registry.ts'
import { printable } from '../../src/lib/printable.ts'
import { SEED } from '../support/report.ts'

const MODULE = '?module-path=/usr/lib/x.so'

/** Each byte as %XX, which is always right. */
const escaped = (bytes: Uint8Array): string => [...bytes].map((one) => `%${one.toString(16).padStart(2, '0')}`).join('')

describe('a name of a key in a token', () => {
  it('is read as RFC 7512 writes it', () => {
    expect(readPkcs11Name(`token=region%20eu;serial=1a;object=a=b%3B&c;id=%00%ff;type=secret-key${MODULE}`)).toEqual({
      token: { token: 'region eu', serial: '1a' },
      object: 'a=b;&c',
      id: Uint8Array.of(0, 255),
      modulePath: '/usr/lib/x.so',
    })
    // As p11tool prints them, with the module added.
    const printed = 'model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=b678e0c81a2d85f2;token=eu;id=%01;object=k'
    expect(readPkcs11Name(`${printed}?module-path=/opt/a%20b/p11?x.so`)).toEqual({
      token: { token: 'eu', serial: 'b678e0c81a2d85f2', manufacturer: 'SoftHSM project', model: 'SoftHSM v2' },
      object: 'k',
      id: Uint8Array.of(1),
      modulePath: '/opt/a b/p11?x.so',
    })
  })

  const none: readonly (readonly [string, RegExp])[] = [
    ['token=a;object=b', /no \?module-path=/],
    ['token=a;object=b?', /NAME=VALUE/],
    ['token=a;object=b;?module-path=/x', /NAME=VALUE/],
    ['token=a;;object=b?module-path=/x', /NAME=VALUE/],
    ['token;object=b?module-path=/x', /NAME=VALUE/],
    ['TOKEN=a;object=b?module-path=/x', /NAME=VALUE/],
    ['pkcs11:token=a;object=b?module-path=/x', /NAME=VALUE/],
    ['token=a;token=a;object=b?module-path=/x', /token twice/],
    ['token=a;object=b?module-path=/x&module-path=/x', /module-path twice/],
    ['token=a;object=b;x-own=1?module-path=/x', /x-own is no attribute/],
    ['token=a;object=b;slot-id=1?module-path=/x', /slot-id is no attribute/],
    ['token=a;object=b;constructor=1?module-path=/x', /constructor is no attribute/],
    ['token=a;object=b;module-path=/x', /no \?module-path=/],
    ['token=a;module-path=x?object=b', /module-path is no attribute/],
    ['token=a;object=b?module-path=/x&pin-value=1234', /a PIN does not stand in a name/],
    ['token=a;object=b;pin-value=1234?module-path=/x', /a PIN does not stand in a name/],
    ['token=a;object=b?module-path=/x&pin-source=file:/pin', /not from pin-source/],
    ['token=a;object=b?module-name=x', /not module-name/],
    ['token=;object=b?module-path=/x', /token is empty/],
    ['token=a;object=b/c?module-path=/x', /object is empty, or has a character/],
    ['token=a;object=%4?module-path=/x', /object is empty, or has a character/],
    ['token=a;object=%zz?module-path=/x', /object is empty, or has a character/],
    ['token=a;object=ü?module-path=/x', /object is empty, or has a character/],
    ['token=a;object=b?module-path=/x;y', /module-path is empty, or has a character/],
    ['token=a%00;object=b?module-path=/x', /token is not text/],
    ['token=a%20;object=b?module-path=/x', /token is not text/],
    ['token=a;object=%ff?module-path=/x', /object is not text/],
    ['token=a;object=%e2%80%ae?module-path=/x', /object is not text/],
    ['token=a;object=b?module-path=/x%00', /module-path is not text/],
    [`token=${'a'.repeat(33)};object=b?module-path=/x`, /longer than 32 bytes/],
    [`token=a;id=${'%01'.repeat(65)}?module-path=/x`, /longer than 64 bytes/],
    [`token=a;object=b?module-path=/${'x'.repeat(600)}`, /longer than 512/],
    ['object=b?module-path=/x', /names no token/],
    ['manufacturer=m;model=x;object=b?module-path=/x', /names no token/],
    ['token=a?module-path=/x', /names no key/],
    ['token=a;object=b;type=private?module-path=/x', /type is not secret-key/],
    ...['x.so', './x.so', '/', '/x/', '//x', '/x/../y', '/x/./y', '/..'].map(
      (path) => [`token=a;object=b?module-path=${path}`, /no absolute path/] as const,
    ),
  ]
  it.each(none.map(([text, why]) => [text.slice(0, 60), text, why] as const))('%s is none', (_, text, why) => {
    expect(readPkcs11Name(text)).toMatch(why)
    expect(pkcs11Place(text)).toBeNull()
    const message = expect.stringMatching(/^this is not the name of a key of pkcs11/)
    expect(() => parseKmsSlot(`pkcs11:${text}`)).toThrow(expect.objectContaining({ code: 'E_USAGE', message }))
  })

  it('says why it is none', () => {
    expect(() => parseKmsSlot(`pkcs11:token=a;object=b;pin-value=1${MODULE}`)).toThrow(
      'this is not the name of a key of pkcs11: a PIN does not stand in a name, which everybody may read',
    )
  })

  it('names the token whose administrator has the key', () => {
    const holder = (key: string): string | null => holderOf({ provider: 'pkcs11', key: `${key};object=b${MODULE}` })
    // Labels are chosen by hand, and two tokens may have one.
    expect(holder('token=region%20eu')).toBeNull()
    expect(holder('token=eu;serial=1a')).toBe('PKCS#11 token eu serial 1a')
    expect(holder('serial=1a')).toBe('PKCS#11 token serial 1a')
    expect(holder('model=m')).toBeNull()
  })

  it('is read back, however its parts are ordered and escaped', () => {
    const text = (most: number) =>
      fc
        .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
        .filter((one) => one === one.trim() && one === printable(one) && Buffer.byteLength(one) <= most)
    const parts = fc.record({
      token: text(32),
      serial: fc.option(text(16), { nil: undefined }),
      model: fc.option(text(16), { nil: undefined }),
      object: text(128),
      id: fc.option(fc.uint8Array({ minLength: 1, maxLength: 8 }), { nil: undefined }),
      file: text(64).filter((one) => !one.includes('/') && one !== '.' && one !== '..'),
      order: fc.array(fc.nat(), { minLength: 6, maxLength: 6 }),
      plain: fc.boolean(),
    })
    fc.assert(
      fc.property(parts, ({ token, serial, model, object, id, file, order, plain }) => {
        const written = (value: string | Uint8Array): string => {
          if (typeof value === 'string' && plain && /^[\w.~:[\]@!$'()*+,=&-]+$/.test(value)) return value
          return escaped(typeof value === 'string' ? new TextEncoder().encode(value) : value)
        }
        const attributes = Object.entries({ token, serial, model, object, id })
          .flatMap(([name, value], n) => (value === undefined ? [] : [{ at: order[n] ?? 0, name, value }]))
          .sort((a, b) => a.at - b.at)
          .map(({ name, value }) => `${name}=${written(value)}`)
        const path = `?module-path=/${escaped(new TextEncoder().encode(file))}`
        const name = `${attributes.join(';')}${path}`
        fc.pre(name.length <= 512)
        const fields = Object.entries({ token, serial, model }).filter(([, value]) => value !== undefined)
        expect(readPkcs11Name(name)).toEqual({ token: Object.fromEntries(fields), object, id, modulePath: `/${file}` })
        const other = `${attributes.toReversed().join(';')}${path}`
        expect([pkcs11Material(other), pkcs11Place(other)]).toEqual([pkcs11Material(name), pkcs11Place(name)])
      }),
      { seed: SEED, numRuns: 500 },
    )
  })

  it('is read or refused in one printable line, whatever it is', () => {
    const words = [
      'token',
      'object',
      'id',
      'serial',
      'module-path',
      'pin-value',
      '=',
      ';',
      '&',
      '?',
      '%',
      '%41',
      '/',
      'a',
    ]
    const some = fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ unit: 'binary', maxLength: 4 })), {
      maxLength: 40,
    })
    fc.assert(
      fc.property(some, (all) => {
        const read = readPkcs11Name(all.join(''))
        if (typeof read === 'string') expect(read).toMatch(/^[ -~’]+$/)
        else expect(read.modulePath).toMatch(/^\//)
      }),
      { seed: SEED, numRuns: 1000 },
    )
  })

  it('that a damaged site.yaml holds opens nothing', async () => {
    await expect(
      openKmsKey({ provider: 'pkcs11', key: 'token=a;object=b' }, { home: '/nowhere', random: () => new Uint8Array() }),
    ).rejects.toMatchObject({ code: 'E_USAGE' })
  })
})
