import { describe, expect, it } from 'vitest'
import { fingerprint, typedWords, wrongWord } from '../../src/identity/words.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { shortId } from '../../src/records/short-id.ts'

describe('words of a definition', () => {
  it('are eight, and never change', async () => {
    expect(await fingerprint('7f3a91c2'.repeat(8) as Hash)).toMatchInlineSnapshot(`
      [
        "grace",
        "gauge",
        "car",
        "sunset",
        "easy",
        "young",
        "monster",
        "kite",
      ]
    `)
    expect(await fingerprint('7f3a91c3'.repeat(8) as Hash)).toHaveLength(8)
  })

  it('are taken as people type them', () => {
    expect(typedWords('  Marble, eleven\tCACTUS  oxygen ')).toEqual(['marble', 'eleven', 'cactus', 'oxygen'])
    expect(typedWords('')).toEqual([])
  })

  it('are told apart by their first four letters', async () => {
    const { wordlist } = await import('@scure/bip39/wordlists/english.js')
    expect(wordlist).toHaveLength(2048)
    expect(new Set(wordlist.map((word) => word.slice(0, 4))).size).toBe(2048)
  })

  it.each([
    ['marble act cactus', undefined],
    ['marb act cact', undefined],
    ['marbl act cactu', undefined],
    ['mar act cactus', 1],
    ['marx act cactus', 1],
    ['marbles act cactus', 1],
    ['marble actor cactus', 2],
    ['marble ac cactus', 2],
    ['marble act', 3],
    ['', 1],
  ])('%j against marble act cactus: wrong is %s', (typed, wrong) => {
    expect(wrongWord(['marble', 'act', 'cactus'], typedWords(typed))).toBe(wrong)
  })

  it('go with a short id', () => {
    expect(shortId('7f3a91c2'.repeat(8) as Hash)).toBe('7f3a-91c2')
  })
})
