import { base58, bech32m } from '@scure/base'
import { fromHex, toHex } from '../lib/bytes.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import { protocols } from '../records/protocols.ts'

/** Forms in which Bitcoin's tools take a taproot key (BIP-341): the key is the output key, tweaked already. */
interface TaprootForms {
  /** BIP-350: whoever pays to it pays this key. */
  readonly address: string
  /** The same on testnet and signet. */
  readonly testnet: string
  /** BIP-386's sibling for a key that is tweaked already, with its checksum (BIP-380). `tr(KEY)` would tweak it again. */
  readonly descriptor: string
}

const CHARACTERS = '0123456789()[],\'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#"\\ '
const CHECKSUM = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const GENERATORS = [0xf5dee51989n, 0xa9fdca3312n, 0x1bab10e32dn, 0x3706b1677an, 0x644d626ffdn]

const step = (sum: bigint, value: number): bigint => {
  const top = sum >> 35n
  const next = ((sum & 0x7ffffffffn) << 5n) ^ BigInt(value)
  return GENERATORS.reduce((now, generator, bit) => ((top >> BigInt(bit)) & 1n ? now ^ generator : now), next)
}

/** The eight characters after `#` of an output descriptor (BIP-380). Throws RangeError on a character that none has. */
export const descriptorChecksum = (descriptor: string): string => {
  const places = [...descriptor].map((character) => CHARACTERS.indexOf(character))
  if (places.includes(-1)) throw new RangeError('a character that no descriptor has')
  const groups: number[] = []
  for (let at = 0; at < places.length; at += 3) {
    const three = places.slice(at, at + 3)
    groups.push(...three.map((place) => place & 31))
    groups.push(three.reduce((sum, place) => sum * 3 + (place >> 5), 0))
  }
  // The group of the high parts follows its three characters; a last one of fewer stands there as well.
  const sum = [...groups, 0, 0, 0, 0, 0, 0, 0, 0].reduce(step, 1n) ^ 1n
  return Array.from({ length: 8 }, (_, at) => CHECKSUM[Number((sum >> BigInt(5 * (7 - at))) & 31n)]).join('')
}

const taprootForms = (key: Uint8Array): TaprootForms => {
  const words = [1, ...bech32m.toWords(key)]
  const descriptor = `rawtr(${toHex(key)})`
  return {
    address: bech32m.encode('bc', words),
    testnet: bech32m.encode('tb', words),
    descriptor: `${descriptor}#${descriptorChecksum(descriptor)}`,
  }
}

/** Names that wallets give a key; null where none uses its curve so. */
export interface Addresses {
  readonly taproot: TaprootForms | null
  /** The key in base58, which is the account. */
  readonly solana: string | null
}

/** `hex` is the key as the outcome holds it. */
export const addressesOf = (protocol: ProtocolId, hex: string): Addresses => {
  const key = fromHex(hex)
  const form = protocols[protocol].keyForm
  return {
    taproot: form === 'bip340' ? taprootForms(key.length === 33 ? key.subarray(1) : key) : null,
    solana: form === 'ed25519' ? base58.encode(key) : null,
  }
}
