import { beforeAll, describe, expect, it } from 'vitest'
import { lint } from '../../src/ceremony/definition/lint.ts'
import { isTimely } from '../../src/ceremony/gather/clocks.ts'
import type { Progress } from '../../src/ceremony/progress.ts'
import type { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import { makeCard } from '../../src/identity/card.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { attemptCodec } from '../../src/records/attempt.ts'
import { clockBounds } from '../../src/records/clock-bounds.ts'
import type { Definition } from '../../src/records/definition.ts'
import { definitionYaml, readDefinition } from '../../src/records/definition-yaml.ts'
import type { SignDefinition } from '../../src/records/kinds/sign.ts'
import { planNewKey } from '../../src/site/planning.ts'
import { type Chain, open, ownChain } from '../support/bundles.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { approveIn, type MemoryWorld, memorySite, memoryWorld, startJoin } from '../support/memory-site.ts'

const MINUTE = 60_000
const DAY = 86_400_000
const names = ['eu', 'us', 'ap'] as const
type Name = (typeof names)[number]

interface Ended {
  readonly events: readonly Progress[]
  readonly error: unknown
}

/** Each site joins with its clock so far from the true time; how each of them ended. */
const joinWith = async (
  world: MemoryWorld,
  definition: Definition,
  skews: Partial<Record<Name, number>>,
  message: Uint8Array | null = null,
): Promise<Readonly<Record<Name, Ended>>> => {
  for (const name of names) await approveIn(world, name, definition)
  const runs = await Promise.all(
    names.map(async (name) => {
      const clock = { ...world.clock, now: () => world.clock.now() + (skews[name] ?? 0) }
      const { machine } = await memorySite(world, name, { clock })
      return startJoin(world, name, definition, message, { machine })
    }),
  )
  const ended = await Promise.all(
    runs.map(async ({ done, events }) => ({
      events,
      error: await done.then(
        () => undefined,
        (error) => error,
      ),
    })),
  )
  return Object.fromEntries(names.map((name, at) => [name, ended[at]])) as never
}

const keygen = async (changes: Parameters<typeof keygenDefinition>[0] = {}): Promise<Definition> =>
  keygenDefinition({ deadlines: { gather: 30, proposal: 5, round: 20, close: 5 }, ...changes })

describe('clocks', () => {
  it('that are days ahead are named before anything is signed, where all are needed', async () => {
    const { eu, us, ap } = await joinWith(await memoryWorld(names), await keygen(), { us: 5 * DAY })
    for (const { error } of [eu, ap])
      expect(error).toMatchObject({
        code: 'E_CLOCK',
        message: 'the clock of us is 5 d ahead of this machine’s',
        hint: expect.stringMatching(/operators of (eu|ap), us compare .* nothing has happened yet$/),
        details: { sites: ['us'] },
      })
    expect(us.error).toBeInstanceOf(QuorateError)
  })

  it('that are behind those of a quorum are found by their own site', async () => {
    const { us } = await joinWith(await memoryWorld(names), await keygen(), { us: -5 * DAY })
    expect(us.error).toMatchObject({
      code: 'E_CLOCK',
      message: 'this machine’s clock is 5 d behind the clocks of eu, ap',
    })
  })

  it('are a warning where they are less far apart, and the key is made', async () => {
    const ended = await joinWith(await memoryWorld(names), await keygen(), { us: 3 * MINUTE })
    expect(names.map((name) => ended[name].error)).toEqual([undefined, undefined, undefined])
    const warnings = names.map((name) => ended[name].events.filter(({ phase }) => phase === 'clock').length)
    expect(warnings).toEqual([1, 0, 1])
  })

  it('are held to the bounds of the definition', async () => {
    const definition = await keygen({ clock: { warn: 60, refuse: 120 } })
    const { eu } = await joinWith(await memoryWorld(names), definition, { us: 3 * MINUTE })
    expect(eu.error).toMatchObject({ code: 'E_CLOCK', details: { sites: ['us'] } })
  })
})

describe('a definition', () => {
  it('keeps the bounds that people wrote, and is no other one without them', async () => {
    const without = await keygenDefinition()
    expect(clockBounds(without)).toEqual({ warn: 120, refuse: 600 })
    expect(new TextDecoder().decode(definitionYaml(without))).not.toContain('clock')
    const definition = await keygenDefinition({ clock: { warn: 5, refuse: 60 } })
    const read = await readDefinition(definitionYaml(definition))
    expect([read, clockBounds(read)]).toEqual([definition, { warn: 5, refuse: 60 }])
  })

  it('warns no later than it refuses', async () => {
    const places = async (warn: number) =>
      lint(await keygenDefinition({ clock: { warn, refuse: 60 } })).flatMap(({ level, rule }) =>
        level === 'error' ? rule : [],
      )
    expect([await places(60), await places(61)]).toEqual([[], ['clock']])
  })

  it('is planned with a window that is open for sites whose clock is behind', async () => {
    const cards = await Promise.all(
      names.map(async (name) => {
        const { home } = await memoryHome(name)
        return makeCard(await home.unlock(), await home.card())
      }),
    )
    const now = Date.parse('2026-12-01T09:00:00Z')
    const flags = { name: 'early', approvers: [], relays: ['wss://relay.example'], threshold: 2, cards }
    const windowOf = async (opens: string | undefined) =>
      (await planNewKey({ ...flags, protocol: 'frost-ed25519', opens, closes: undefined }, now)).shown.definition.window
    expect(await windowOf(undefined)).toEqual({ opens: '2026-12-01T08:50:00Z', closes: '2026-12-08T09:00:00Z' })
    expect((await windowOf('2026-12-02T09:00:00Z')).closes).toBe('2026-12-09T09:00:00Z')
  })
})

describe('with a key', () => {
  let chain: Chain
  beforeAll(async () => {
    chain = await ownChain()
  })

  it('a wild clock takes no seat from others, and keeps none who can do without it from signing', async () => {
    const definition = await signDefinition({
      ...(chain.sign as SignDefinition),
      nonce: 'ff'.repeat(16),
      deadlines: { gather: 30, proposal: 5, round: 20, close: 5 },
    })
    const { us, ap } = await joinWith(chain.world, definition, { eu: 5 * DAY }, chain.message)
    expect([us.error, ap.error]).toEqual([undefined, undefined])
    const seats = us.events.flatMap((event) => (event.phase === 'attempt' ? [event.sites] : []))
    expect(seats).toEqual([['us', 'ap']])
  })

  it('no site signs a proposal whose time is not its own, within the bound', async () => {
    const bundle = await open(chain.signBundle)
    let attempt: ReturnType<typeof attemptCodec.decode> | undefined
    for await (const batch of bundle.events('eu' as never))
      for (const { event } of batch)
        if (event.what === 'attempt' && event.object !== null)
          attempt = attemptCodec.decode((await bundle.object(event.object)) ?? expect.fail('no attempt'))
    const proposal = attempt ?? expect.fail('no attempt')
    const signs = (now: number): boolean => {
      const site = { machine: { clock: { now: () => now } } }
      return isTimely({ site, authority: { definition: chain.sign } } as unknown as Ceremony, proposal)
    }
    const times = [-11, -10, 0, 10, 11].map((minutes) => signs(proposal.at + minutes * MINUTE))
    expect(times).toEqual([false, true, true, true, false])
  })
})
