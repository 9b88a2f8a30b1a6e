import { planEmergency } from '../ceremony/definition/plan.ts'
import { emergenciesOf } from '../ceremony/epoch/other-emergency.ts'
import type { Hash } from '../lib/brand.ts'
import type { Definition } from '../records/definition.ts'
import { definitionYaml } from '../records/definition-yaml.ts'
import { keyBase } from './keys.ts'
import { machine } from './machine.ts'
import { type CommonFlags, commonOfKey, type PlanMade, planMade, timeOf, WEEK } from './planning.ts'
import { NOTHING_SEEN } from './seen.ts'
import { votesOfHome } from './votes.ts'

/** An emergency of a key that this home approved before, and its file. */
interface Begun {
  readonly ceremony: Hash
  readonly definition: Definition
  readonly yaml: Uint8Array
}

const STATES = ['made', 'voted', 'open'] as const

/**
 * The emergency of a key that this home has begun and not left, the one that came furthest: a second one would make a second
 * fresh key. `another`: one that waits for votes which may never come does not count.
 */
export const emergencyBegun = async (home: string, key: Hash, another: boolean): Promise<Begun | undefined> => {
  const all = await votesOfHome(home, (votes) => emergenciesOf(votes, key))
  const counted = all.filter(({ state }) => !another || state !== 'voted')
  const found = STATES.flatMap((state) => counted.filter((one) => one.state === state))[0]
  if (found === undefined) return undefined
  const { ceremony, definition } = found
  return { ceremony, definition, yaml: definitionYaml(definition) }
}

/** `treasury` becomes `treasury-2`, and that `treasury-3`: two keys of one name could be told apart by their ids alone. */
const nameAfter = (name: string): string => {
  const [, stem = name, number = '1'] = /^(.*?)(?:-([1-9]\d{0,3}))?$/.exec(name) ?? []
  const next = `-${Number(number) + 1}`
  return `${stem.slice(0, 32 - next.length)}${next}`
}

/** A fresh key in the place of one of this home's. Throws E_NOT_FOUND where this home holds no usable share of that. */
export const planNewEmergency = async (
  flags: Omit<CommonFlags, 'name'> & {
    readonly home: string
    /** Its id. */
    readonly key: Hash
    readonly name: string | undefined
    /** Of sites of the key whose card has changed. */
    readonly cards: readonly Uint8Array[]
    /** Cards of all that receive a share of the fresh key; empty: the sites of the old one. */
    readonly to: readonly Uint8Array[]
    readonly threshold: number | undefined
    readonly reason: string
    readonly sweepUntil: string | undefined
  },
  now: number,
): Promise<PlanMade> => {
  const key = await keyBase(flags.home, flags.key)
  const { definition: made, publicKey } = key
  const { name, cards, to, threshold, reason, sweepUntil } = flags
  const { definition, findings } = planEmergency(
    {
      ...(await commonOfKey(flags, now)),
      ...{ key, cards, to, reason },
      name: name ?? nameAfter(made.name),
      threshold: threshold ?? made.threshold,
      sweep: timeOf('sweep-until', sweepUntil, now + WEEK),
    },
    machine.random,
    now,
  )
  const old = { name: made.name, protocol: made.protocol, publicKey }
  return planMade(definition, findings, now, { ...NOTHING_SEEN, key: old })
}
