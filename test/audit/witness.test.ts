import { describe, expect, it } from 'vitest'
import { openLog } from '../../src/audit/disk-log.ts'
import { ledgerOrigin, openCheckpoint, verifyCosignature, withCosignatures, witnessName } from '../../src/audit/note.ts'
import { acceptHead, cosign } from '../../src/audit/witness.ts'
import { publicKeyOf, rawSigner } from '../../src/identity/ed25519.ts'
import { identityOf } from '../../src/identity/identity.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { memoryDisk } from '../support/memory-disk.ts'

const seed = (n: number): Secret => new Secret(new Uint8Array(32).fill(n))
const signer = rawSigner(seed(1))
const identity = identityOf('site', publicKeyOf(seed(2)))
const origin = ledgerOrigin(identity)
const witness = { name: witnessName(identity), signer: rawSigner(seed(3)) }

const history = async (words: readonly string[]) => {
  const log = await openLog({ disk: memoryDisk(), path: 'ledger', origin, signer })
  const heads = []
  for (const word of words) {
    log.append({ at: 0, what: 'approved', ceremony: null, site: null, object: hashOf(utf8(word)) })
    heads.push(await log.barrier())
  }
  return { log, heads }
}
const rolledBack = (work: () => unknown): void => {
  expect(work).toThrow(QuorateError)
  expect(work).toThrow(expect.objectContaining({ code: 'E_SITE_ROLLED_BACK' }))
}

describe('witness', () => {
  it('cosigns a head that extends the one remembered', async () => {
    const { log, heads } = await history(['a', 'b', 'c', 'd', 'e'])
    const head = heads[4] ?? expect.fail()
    const shown = { note: head.note, origin, key: signer.key, proof: log.consistency(2) }
    const line = cosign(shown, heads[1], witness, 1_796_000_000_999)
    const note = openCheckpoint(withCosignatures(head.note, [line]), origin, signer.key).note
    const cosignature = note.signatures[1] ?? expect.fail()
    expect(verifyCosignature(note.text, cosignature, witness.name, witness.signer.key)).toBe(1_796_000_000)
  })

  it('takes any head at first contact, and the same head again', async () => {
    const { heads } = await history(['a', 'b'])
    const head = heads[1] ?? expect.fail()
    const shown = { note: head.note, origin, key: signer.key, proof: [] }
    expect(acceptHead(shown, undefined)).toEqual(head)
    expect(acceptHead(shown, head)).toEqual(head)
  })

  it('refuses an older head, a fork, and a proof of something else', async () => {
    const { log, heads } = await history(['a', 'b', 'c', 'd'])
    const fork = await history(['a', 'b', 'x', 'd', 'e'])
    const at = (n: number, from = heads) => ({ note: (from[n] ?? expect.fail()).note, origin, key: signer.key })
    rolledBack(() => acceptHead({ ...at(1), proof: [] }, heads[3]))
    rolledBack(() => acceptHead({ ...at(3, fork.heads), proof: [] }, heads[3]))
    rolledBack(() => acceptHead({ ...at(4, fork.heads), proof: fork.log.consistency(3, 5) }, heads[2]))
    rolledBack(() => cosign({ ...at(3), proof: [] }, heads[1], witness, 0))
    rolledBack(() => cosign({ ...at(3), proof: log.consistency(1) }, heads[1], witness, 0))
    expect(acceptHead({ ...at(3), proof: log.consistency(2) }, heads[1]).size).toBe(4)
  })

  it('looks at nothing that is not signed by the log', async () => {
    const { heads } = await history(['a'])
    const head = heads[0] ?? expect.fail()
    expect(() => cosign({ note: head.note, origin, key: witness.signer.key, proof: [] }, head, witness, 0)).toThrow(
      DecodeError,
    )
  })
})
