import { describe, expect, it } from 'vitest'
import type { Hash, Index } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { signRounds } from '../../src/mpc/frost/sign.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { MemoryBlame, runAll, values } from '../support/memory-mailbox.ts'
import { seededRandom } from '../support/random.ts'

const session = hashOf(utf8('split shares')) as Hash

describe('two signers whose wrong shares cancel', () => {
  it('are blamed for them, though the sum is a signature', async () => {
    const protocols = await loadScheme('frost-ed25519')
    const context = { threshold: 3, parties: 3 }
    const tools = (party: number) => ({ random: seededRandom(`split ${party}`) })
    const keys = values((await runAll(protocols.keygen, [context, context, context], { session, tools })).ended)
    const { field } = suiteOf('frost-ed25519').group
    const { codec } = signRounds('frost-ed25519').shares
    const one = field.fromNumber(1)
    const indices = [1, 2, 3] as Index[]
    const inputs = keys.map(({ share, publicKey, verifyingShares }) => ({
      ...{ threshold: 3, publicKey, verifyingShares, indices, message: utf8('a message') },
      share,
    }))
    const { ended } = await runAll(protocols.sign, inputs, {
      session,
      tools,
      tamper: ({ round, from, to, payload }) => {
        const share = round === 'shares' && to === 1 ? field.decode(codec.decode(payload)) : undefined
        if (share === undefined) return undefined
        return codec.encode(field.encode(from === 2 ? field.add(share, one) : field.subtract(share, one)))
      },
    })
    const [first] = ended
    const error = first !== undefined && 'error' in first ? first.error : undefined
    expect(error).toBeInstanceOf(MemoryBlame)
    expect(error).toMatchObject({ accused: 2, check: 'signature-share' })
  })
})
