import type { Hash } from '../lib/brand.ts'
import { fromHex, utf8 } from '../lib/bytes.ts'
import { scrypt } from '../lib/scrypt.ts'

/**
 * The cost of each try at two definitions with the same words: 128 MiB and about half a second, 2^44 times (88 bits).
 */
const COST = 2 ** 17
const COUNT = 8
const BITS = 11

/**
 * Eight words of BIP-39's English list (88 bits) that stand for a ceremony id, to be read aloud. scrypt with a fixed salt:
 * all must derive the same words from the hash alone.
 */
export const fingerprint = async (ceremony: Hash): Promise<readonly string[]> => {
  const { wordlist } = await import('@scure/bip39/wordlists/english.js')
  const bits = await scrypt(fromHex(ceremony), utf8('quorate definition words v1'), COST, (COUNT * BITS) / 8)
  const number = bits.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  return Array.from({ length: COUNT }, (_, at) => {
    const word = wordlist[Number((number >> BigInt(BITS * (COUNT - 1 - at))) & 0x7ffn)]
    if (word === undefined) throw new Error('the word list is short')
    return word
  })
}

/** The words that somebody typed: any case, any spacing. */
export const typedWords = (text: string): readonly string[] =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== '')

/** So many letters tell any two words of the list apart (BIP-39). */
const LETTERS = 4

/** Place from 1 of the first word that is another; undefined where all are the same, each whole or its beginning. */
export const wrongWord = (words: readonly string[], typed: readonly string[]): number | undefined => {
  const at = words.findIndex((word, n) => {
    const given = typed[n] ?? ''
    return given !== word && !(given.length >= LETTERS && word.startsWith(given))
  })
  return at === -1 ? undefined : at + 1
}
