import { afterEach, describe, expect, it, vi } from 'vitest'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { loadSuite } from '../../src/mpc/frost/suite.ts'
import type { ScalarField } from '../../src/mpc/group/group.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { runAll, values } from '../support/memory-mailbox.ts'
import { seededRandom } from '../support/random.ts'

/** Scalars of libsodium are buffers: which of them a protocol leaves as they were, of those that a secret went into. */

afterEach(() => vi.restoreAllMocks())

const raw = (scalar: unknown): Uint8Array => scalar as Uint8Array

/** Follows secrets through the field: from random bytes and the given encodings into every result. */
const follow = (field: ScalarField, isSecret: (bytes: Uint8Array) => boolean) => {
  const secrets = new Map<Uint8Array, string>()
  const keep = <T>(result: T, from: boolean): T => {
    if (from && result !== undefined) secrets.set(raw(result), toHex(raw(result)))
    return result
  }
  const { reduce, decode, add, subtract, multiply } = field
  vi.spyOn(field, 'reduce').mockImplementation((bytes) => keep(reduce(bytes), isSecret(bytes)))
  vi.spyOn(field, 'decode').mockImplementation((bytes) => keep(decode(bytes), isSecret(bytes)))
  for (const [name, work] of Object.entries({ add, subtract, multiply }))
    vi.spyOn(field, name as 'add').mockImplementation((a, b) =>
      keep(work(a, b), secrets.has(raw(a)) || secrets.has(raw(b))),
    )
  return secrets
}

describe('a key generation', () => {
  it('leaves no scalar that a secret went into, but those that it said to all', async () => {
    const { group } = await loadSuite('frost-ed25519')
    expect(group.backend).not.toBe('noble')
    const protocols = await loadScheme('frost-ed25519')
    const drawn = new WeakSet<Uint8Array>()
    const shares = new Set<string>()
    const secrets = follow(group.field, (bytes) => drawn.has(bytes) || shares.has(toHex(bytes)))
    const context = { threshold: 3, parties: 4 }
    const { keygen } = protocols
    const watched: typeof keygen = {
      ...keygen,
      run: (box, input, tools) =>
        keygen.run(
          {
            ...box,
            scatter: async (round, to) => {
              const got = await box.scatter(round, to)
              for (const share of got.values()) shares.add(toHex(share as Uint8Array))
              return got
            },
          },
          input,
          tools,
        ),
    }
    const run = await runAll(watched, [context, context, context, context], {
      session: hashOf(utf8('wiped')),
      tools: (party) => {
        const random = seededRandom(`wiped ${party}`)
        return {
          random: (length) => {
            const bytes = random(length)
            drawn.add(bytes)
            return bytes
          },
        }
      },
    })
    expect(values(run.ended)).toHaveLength(4)
    const said = run.network.sent.filter(({ round }) => round === 'openings').map(({ payload }) => toHex(payload))
    const left = [...secrets]
      .filter(([bytes]) => bytes.some((one) => one !== 0))
      .filter(([, was]) => !said.some((payload) => payload.includes(was)))
    expect(secrets.size).toBeGreaterThan(100)
    expect(left).toEqual([])
  })
})
