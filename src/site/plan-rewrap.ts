import { planRewrap } from '../ceremony/definition/plan-rewrap.ts'
import type { SiteId } from '../lib/brand.ts'
import { cardOf, sealOf } from './kms-keys.ts'
import { machine } from './machine.ts'
import { type OfKeyFlags, ofKey, type PlanMade, planMade } from './planning.ts'

/** This home's share under the KMS keys of its card. Throws E_NOT_FOUND where it holds no share of the key. */
export const planRewrapping = async (
  flags: OfKeyFlags & {
    /** Sites that cosign; empty: all others. */
    readonly witnesses: readonly string[]
  },
  now: number,
): Promise<PlanMade> => {
  const { wanted, seen } = await ofKey(flags, now)
  const { definition, findings } = planRewrap(
    {
      ...wanted,
      card: await cardOf(flags.home),
      old: await sealOf(flags.home, wanted.key),
      witnesses: flags.witnesses as readonly SiteId[],
    },
    machine.random,
    now,
  )
  return planMade(definition, findings, now, seen)
}
