import { describe, expect, it } from 'vitest'
import type { Hash, Index } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { protocolIds } from '../../src/records/definition-fields.ts'
import { seededRandom } from '../support/random.ts'

const record = hashOf(utf8('record')) as Hash

describe.each(protocolIds)('possession of a %s share', (id) => {
  const { group } = suiteOf(id)
  const share = (n: number): Secret => new Secret(group.field.encode(group.field.fromNumber(n)))
  const element = (n: number): Uint8Array => group.encode(group.timesBase(group.field.fromNumber(n)))
  const one = 1 as Index

  it('is proven by the share, for one index, one context and one suite', async () => {
    const { provePossession, verifyPossession } = await loadScheme(id)
    const proof = provePossession(share(77), one, record, seededRandom(id))
    expect(verifyPossession(element(77), one, record, proof)).toBe(true)
    expect(verifyPossession(element(78), one, record, proof)).toBe(false)
    expect(verifyPossession(element(77), 2 as Index, record, proof)).toBe(false)
    expect(verifyPossession(element(77), one, hashOf(utf8('another')), proof)).toBe(false)
    for (let at = 0; at < proof.length; at += 5) {
      const changed = Uint8Array.from(proof)
      changed[at] = (changed[at] as number) ^ 4
      expect(verifyPossession(element(77), one, record, changed)).toBe(false)
    }
    for (const other of protocolIds)
      if (other !== id) expect((await loadScheme(other)).verifyPossession(element(77), one, record, proof)).toBe(false)
  })

  it('is refused for what does not decode', async () => {
    const { provePossession, verifyPossession } = await loadScheme(id)
    const proof = provePossession(share(77), one, record, seededRandom(id))
    for (const bad of [proof.subarray(1), new Uint8Array(), new Uint8Array(proof.length).fill(255)])
      expect(verifyPossession(element(77), one, record, bad)).toBe(false)
    for (const bad of [element(77).subarray(1), new Uint8Array(), new Uint8Array(group.bytes)])
      expect(verifyPossession(bad, one, record, proof)).toBe(false)
    for (const bad of [
      share(0),
      new Secret(new Uint8Array(3)),
      new Secret(new Uint8Array(group.field.bytes).fill(255)),
    ])
      expect(() => provePossession(bad, one, record, seededRandom(id))).toThrow(RangeError)
  })

  it('is another proof each time', async () => {
    const { provePossession } = await loadScheme(id)
    const random = seededRandom(id)
    const proofs = [1, 2].map(() => provePossession(share(77), one, record, random))
    expect(proofs[0]).not.toEqual(proofs[1])
  })
})
