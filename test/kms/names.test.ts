import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hostOf, materialOf, providerNames, regionOf } from '../../src/kms/providers.ts'
import { parseKmsSlot } from '../../src/kms/registry.ts'
import { SEED } from '../support/report.ts'

const version = '0123456789abcdef0123456789abcdef'
const gcp = 'projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k'

describe('names of KMS keys', () => {
  it.each([
    'transit:https://1.2.3.4.5/transit/k',
    'transit:https://host:99999/transit/k',
    'transit:http://bao.example.org/transit/k',
    'transit:https://user@host/transit/k',
    'transit:https://host/transit/../sys',
    'transit:https://host/transit/%2e%2e',
    'transit:https://host/k',
    `azure-kv:https://host:99999/keys/k/${version}`,
    `azure-kv:https://1.2.3.4.5/keys/k/${version}`,
    `azure-kv:http://host/keys/k/${version}`,
    'azure-kv:https://host/keys/k',
    `gcp-kms://host:99999/${gcp}`,
    `gcp-kms://./${gcp}`,
    `gcp-kms:${gcp}/cryptoKeyVersions/0`,
    'pkcs11:token=a;object=b',
  ])('%s is none, and says what one looks like', (text) => {
    expect(() => parseKmsSlot(text)).toThrow(expect.objectContaining({ code: 'E_USAGE' }))
  })

  it.each([
    ['transit:https://host/t/k', 'transit:https://host:443/t/k', 'transit:https://host./t/k'],
    [
      `azure-kv:https://v.vault.azure.net/keys/k/${version}`,
      `azure-kv:https://v.vault.azure.net:443/keys/K/${version}`,
    ],
    [
      `gcp-kms:${gcp}`,
      `gcp-kms://cloudkms.europe-west3.rep.googleapis.com/${gcp}`,
      `gcp-kms:${gcp}/cryptoKeyVersions/3`,
    ],
    ['aws-kms:arn:aws:kms:eu-west-1:111122223333:key/mrk-1', 'aws-kms:arn:aws:kms:us-east-1:111122223333:key/MRK-1'],
    [
      'pkcs11:token=a;object=b?module-path=/x.so',
      'pkcs11:object=%62;token=a;model=m?module-path=/x.so',
      'pkcs11:token=a;type=secret-key;object=b?module-path=/y.so',
    ],
  ])('%s and other names of it are one key', (...names) => {
    expect(new Set(names.map((name) => materialOf(parseKmsSlot(name)))).size).toBe(1)
  })

  it('tell two keys apart', () => {
    const two = [
      ['transit:https://host/t/k', 'transit:https://host/t/K'],
      [`azure-kv:https://a.vault.azure.net/keys/k/${version}`, `azure-kv:https://b.vault.azure.net/keys/k/${version}`],
      [`gcp-kms:${gcp}`, `gcp-kms:${gcp}2`],
      ['local:/A', 'local:/a'],
      ['pkcs11:token=a;object=b?module-path=/x.so', 'pkcs11:token=a;id=b?module-path=/x.so'],
      ['pkcs11:token=a;object=b?module-path=/x.so', 'pkcs11:token=a;serial=1;object=b?module-path=/x.so'],
    ]
    for (const names of two) expect(new Set(names.map((name) => materialOf(parseKmsSlot(name)))).size).toBe(2)
  })

  it('show where credentials would go, unless to the provider itself', () => {
    const hosts = {
      'transit:https://bao.example.org:8200/t/k': 'bao.example.org:8200',
      [`azure-kv:https://v.vault.azure.net/keys/k/${version}`]: null,
      [`azure-kv:https://v.vault.azure.net.example.org/keys/k/${version}`]: 'v.vault.azure.net.example.org',
      [`gcp-kms://cloudkms.us-east4.rep.googleapis.com/${gcp}`]: null,
      [`gcp-kms://evilgoogleapis.com/${gcp}`]: 'evilgoogleapis.com',
      [`gcp-kms:${gcp}`]: null,
      'local:/a': null,
      'pkcs11:token=a%20b;object=b?module-path=/x.so': 'token=a%20b of /x.so',
      'pkcs11:object=c;serial=1;token=a?module-path=/x.so': 'serial=1;token=a of /x.so',
    }
    expect(Object.keys(hosts).map((name) => hostOf(parseKmsSlot(name)))).toEqual(Object.values(hosts))
  })

  it('may be paths of files that begin with two slashes', () => {
    for (const key of ['//a b/c.key', '///c', '//']) expect(parseKmsSlot(`local:${key}`).key).toBe(key)
  })

  it('are told or refused, whatever a definition names', () => {
    const parts = [
      'transit',
      'azure-kv',
      'gcp-kms',
      'aws-kms',
      'token=',
      'object=',
      ';',
      '?module-path=/',
      'https://',
      'http://',
      '//',
      '/',
      ':',
      '@',
      '.',
      '[::1]',
      gcp,
    ]
    const text = fc
      .array(fc.oneof(fc.constantFrom(...parts), fc.string({ unit: 'grapheme', maxLength: 6 })))
      .map((all) => all.join(''))
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...providerNames), fc.string()), text, (provider, key) => {
        const told = [hostOf({ provider, key }), regionOf({ provider, key }), materialOf({ provider, key })]
        expect(told.length).toBe(3)
        try {
          expect(parseKmsSlot(`${provider}:${key}`)).toEqual({ provider, key })
        } catch (error) {
          expect((error as { code?: string }).code).toBe('E_USAGE')
        }
      }),
      { seed: SEED, numRuns: 2000 },
    )
  })

  it('say nothing where a definition names what is no key', () => {
    for (const slot of [
      { provider: 'transit', key: 'x' },
      { provider: 'azure-kv', key: 'https://host:99999/keys/k/1' },
      { provider: 'toString', key: 'x' },
      { provider: 'pkcs11', key: 'token=a;token=b;object=c?module-path=/x.so' },
    ])
      expect([hostOf(slot), regionOf(slot), materialOf(slot)]).toEqual([null, null, `${slot.provider}:${slot.key}`])
  })
})
