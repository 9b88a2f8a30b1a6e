import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Index, Party } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { loadSuite } from '../../src/mpc/frost/suite.ts'
import type { ScalarField } from '../../src/mpc/group/group.ts'
import type { Protocol, Rounds } from '../../src/mpc/mailbox.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { type Epoch, makeEpoch, repairInputs, reshareInputs, sessionOf } from '../support/epochs.ts'
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

/** Secrets that a run over ed25519 met, and those of them that it left and had not said to all. */
const leftBy = async <R extends Rounds, C, I extends C, O>(
  protocol: Protocol<R, C, I, O>,
  inputs: readonly I[],
  epoch?: Epoch,
) => {
  const { group } = await loadSuite('frost-ed25519')
  expect(group.backend).not.toBe('noble')
  const drawn = new WeakSet<Uint8Array>()
  const shares = new Set((epoch?.shares ?? []).map((share) => toHex(share.reveal())))
  const secrets = follow(group.field, (bytes) => drawn.has(bytes) || shares.has(toHex(bytes)))
  const watched: typeof protocol = {
    ...protocol,
    run: (box, input, tools) =>
      protocol.run(
        {
          ...box,
          scatter: async (round, to) => {
            const got = await box.scatter(round, to)
            for (const share of got.values() as Iterable<unknown>)
              if (share instanceof Uint8Array) shares.add(toHex(share))
            return got
          },
        },
        input,
        tools,
      ),
  }
  const run = await runAll(watched, inputs, {
    session: sessionOf('wiped'),
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
  expect(values(run.ended)).toHaveLength(inputs.length)
  const said = run.network.sent.filter(({ round }) => round === 'openings').map(({ payload }) => toHex(payload))
  const left = [...secrets]
    .filter(([bytes]) => bytes.some((one) => one !== 0))
    .filter(([, was]) => !said.some((payload) => payload.includes(was)))
  return { met: secrets.size, left }
}

describe('no scalar that a secret went into is left, but those that were said to all', () => {
  it('by a key generation', async () => {
    const { keygen } = await loadScheme('frost-ed25519')
    const context = { threshold: 3, parties: 4 }
    const { met, left } = await leftBy(keygen, [context, context, context, context])
    expect(met).toBeGreaterThan(100)
    expect(left).toEqual([])
  })

  it.each([2, 3])('by a refresh of %i of 4', async (threshold) => {
    const { refresh } = await loadScheme('frost-ed25519')
    const epoch = await makeEpoch('frost-ed25519', threshold, 4, 'wiped')
    const { shares, ...facts } = epoch
    const inputs = shares.map((share) => ({ ...facts, parties: 4, share }))
    const { met, left } = await leftBy(refresh, inputs, epoch)
    expect(met).toBeGreaterThan(50)
    expect(left).toEqual([])
  })

  it('by a resharing, at a dealer, a receiver, one that is both and one that looks on', async () => {
    const { reshare } = await loadScheme('frost-ed25519')
    const epoch = await makeEpoch('frost-ed25519', 2, 3, 'wiped')
    const dealers = [
      { party: 1 as Party, index: 1 as Index },
      { party: 2 as Party, index: 3 as Index },
    ]
    const inputs = reshareInputs(epoch, { dealers, receivers: [2, 3, 4] as Party[], threshold: 3, seats: 5 })
    const { met, left } = await leftBy(reshare, inputs, epoch)
    expect(met).toBeGreaterThan(50)
    expect(left).toEqual([])
  })

  it('by a repair', async () => {
    const { repair } = await loadScheme('frost-ed25519')
    const epoch = await makeEpoch('frost-ed25519', 3, 4, 'wiped')
    const helpers = [2, 3, 4].map((index, at) => ({ party: (at + 1) as Party, index: index as Index }))
    const mending = { helpers, mended: { party: 4 as Party, index: 1 as Index }, seats: 5 }
    const { met, left } = await leftBy(repair, repairInputs(epoch, mending), epoch)
    expect(met).toBeGreaterThan(30)
    expect(left).toEqual([])
  })
})
