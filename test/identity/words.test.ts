import { describe, expect, it } from 'vitest'
import { fingerprint, typedWords } from '../../src/identity/words.ts'
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

  it('go with a short id', () => {
    expect(shortId('7f3a91c2'.repeat(8) as Hash)).toBe('7f3a-91c2')
  })
})
