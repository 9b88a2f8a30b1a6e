import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyOf, keysBelow, namesOf, partsOf } from '../../src/shards/stores/name.ts'
import { refuseUnfitStore } from '../../src/shards/stores/open.ts'
import { hostOfStore, regionOfStore, schemeOf, storeSchemes, storeTable } from '../../src/shards/stores/table.ts'
import { root } from '../support/cli.ts'
import { SEED } from '../support/report.ts'

const unfit = (text: string): string => {
  try {
    refuseUnfitStore(text)
    return 'taken'
  } catch (error) {
    return String((error as { code?: string }).code ?? error)
  }
}

describe('names of stores', () => {
  it.each([
    'home',
    'file:/a',
    'file:/mnt/replica 2/ü/x.y',
    's3://abc?region=us-east-1',
    's3://a.b-c.d/p/q_1/R.s?region=auto',
    'gs://abc',
    'gs://a_b.c/p/q',
    'azblob:https://custodyap.blob.core.windows.net/shards',
    'azblob:https://blob.example.org:8443/shards/eu/a',
    'azblob:http://127.0.0.1:10000/devstoreaccount1/shards/eu',
    'azblob:https://localhost:10000/devstoreaccount1/shards/eu',
    ...storeSchemes.map((scheme) => storeTable[scheme].example),
  ])('%s is one', (text) => {
    expect(unfit(text)).toBe('taken')
  })

  it.each([
    '',
    'bundle',
    'Home',
    'home ',
    'elsewhere',
    'http://host/x',
    'file:',
    'file:/',
    'file:a/b',
    'file:///a',
    'file:/a/',
    'file:/a//b',
    'file:/a/../b',
    'file:/a/.',
    'file:/a\0b',
    'file:/a\nb',
    'file:/a\u202eb',
    's3://abc/p',
    's3://abc/p/?region=us-east-1',
    's3://ab?region=us-east-1',
    's3://Abc?region=us-east-1',
    's3://a..b?region=us-east-1',
    's3://10.0.0.1?region=us-east-1',
    's3://key:secret@abc?region=us-east-1',
    's3://abc/../x?region=us-east-1',
    's3://abc?region=us-east-1&x=y',
    's3://abc?region=',
    's3://abc?region=us-east-1#x',
    'gs://abc/',
    'gs://abc?x=y',
    'gs://goog-abc',
    'gs://user@abc',
    'gs://abc/%2e%2e',
    'azblob:https://a.blob.core.windows.net',
    'azblob:https://a.blob.core.windows.net/shards?sv=1&sig=x',
    'azblob:https://user:pw@a.blob.core.windows.net/shards',
    'azblob:https://a.blob.core.windows.net/Shards',
    'azblob:https://1.2.3.4.5/shards',
    'azblob:https://host:99999/shards',
    'azblob:http://a.blob.core.windows.net/shards',
    'azblob:http://127.0.0.1:10000/shards',
    'azblob:https://localhost:10000/shards',
    'azblob://a.blob.core.windows.net/shards',
    `file:/${'a'.repeat(510)}`,
  ])('%j is none', (text) => {
    expect(unfit(text)).toBe('E_USAGE')
  })

  it('tell region and foreign host, and of other texts nothing', () => {
    expect(regionOfStore('s3://abc/p?region=eu-central-1')).toBe('eu-central-1')
    expect(hostOfStore('azblob:https://a.blob.core.windows.net/shards')).toBeNull()
    expect(hostOfStore('azblob:https://a.blob.core.windows.net.example.org/shards')).toBe(
      'a.blob.core.windows.net.example.org',
    )
    for (const text of ['elsewhere', 'azblob:https://host:99999/shards', 's3://x'])
      expect([schemeOf(text), regionOfStore(text), hostOfStore(text)]).toEqual([undefined, null, null])
  })

  it('are told or refused, whatever a card holds', () => {
    const parts = [
      'file',
      's3',
      'gs',
      'azblob',
      ':',
      '/',
      '//',
      '?region=',
      '@',
      '.',
      '..',
      '-',
      'a',
      'abc',
      'https://',
    ]
    const text = fc
      .array(fc.oneof(fc.constantFrom(...parts), fc.string({ unit: 'grapheme', maxLength: 6 })), { maxLength: 14 })
      .map((all) => all.join(''))
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          fc.constantFrom(...parts).chain((one) => text.map((rest) => one + rest)),
        ),
        (store) => {
          const told = [regionOfStore(store), hostOfStore(store)]
          const scheme = schemeOf(store)
          expect(unfit(store)).toBe(store === 'home' || scheme !== undefined ? 'taken' : 'E_USAGE')
          if (scheme === undefined) expect(told).toEqual([null, null])
          else {
            // Nobody's password stands in a name, and nothing leads up.
            if (scheme !== 'file') expect(store).not.toContain('@')
            expect(store).not.toMatch(/\/\.\.?(?:\/|$)|\p{Cc}/u)
          }
        },
      ),
      { seed: SEED, numRuns: 3000 },
    )
  })

  it('take a long text in no time', () => {
    const begun = performance.now()
    for (const text of [
      `gs://${'a-'.repeat(250)}`,
      `azblob:https://${'a'.repeat(240)}/${'a-'.repeat(120)}`,
      `s3://${'a.'.repeat(240)}`,
    ])
      unfit(text)
    expect(performance.now() - begun).toBeLessThan(500)
  })

  it('need packages that are optional', () => {
    const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const needed = storeSchemes.flatMap((scheme): readonly string[] => storeTable[scheme].packages)
    expect(Object.keys(optionalDependencies)).toEqual(expect.arrayContaining(needed))
  })
})

describe('names of objects', () => {
  const part = fc.stringMatching(/^[a-z0-9](?:[a-z0-9.-]{0,10}[a-z0-9])?$/)
  const name = fc.array(part, { minLength: 1, maxLength: 8 }).map((all) => all.join('/'))
  const prefix = fc.constantFrom('', 'quorate', 'a/b')

  it('come back from the keys of a bucket, below whatever prefix', () => {
    fc.assert(
      fc.property(prefix, fc.array(name), (own, names) => {
        const keys = names.map((one) => keyOf(own, one))
        expect(namesOf(own, [...keys, 'UP/x', `${own}/../x`])).toEqual([...names].sort())
        for (const [n, one] of names.entries())
          expect(keys[n]?.startsWith(keysBelow(own, one.split('/').slice(0, -1).join('/')))).toBe(true)
      }),
      { seed: SEED },
    )
  })

  it('are refused where they are none, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 20 }),
          name.map((one) => `${one}/..`),
        ),
        (text) => {
          const taken = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?:\/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)*$/.test(text)
          if (taken) expect(partsOf(text).join('/')).toBe(text)
          else expect(() => partsOf(text)).toThrow(RangeError)
        },
      ),
      { seed: SEED, numRuns: 2000 },
    )
  })
})
