import { planReadmit } from '../ceremony/definition/plan-readmit.ts'
import { openRoot } from '../host/disk.ts'
import { openHome } from '../identity/home.ts'
import type { Hash, Identity, SiteId } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { lookAtLedger } from './ledger.ts'
import { machine } from './machine.ts'
import { type OfKeyFlags, ofKey, type PlanMade, planMade } from './planning.ts'

interface OwnLedger {
  readonly identity: Identity
  readonly ledger: { readonly size: number; readonly root: Hash }
}

/** This home's identity, and the head of its ledger as its last barrier left it. */
const ownLedger = async (folder: string): Promise<OwnLedger> => {
  const disk = await openRoot(folder)
  try {
    const home = await openHome(disk)
    const { head } = await lookAtLedger(disk, home)
    if (head === undefined)
      throw new QuorateError('E_NOT_FOUND', 'this home has no ledger', 'plan it at the site whose ledger went back')
    return { identity: home.identity, ledger: { size: head.size, root: head.root } }
  } finally {
    await disk.close()
  }
}

/** Takes this home's site back into a key. Throws E_NOT_FOUND where it holds no share of it. */
export const planReadmission = async (
  flags: OfKeyFlags & {
    readonly reason: string
    /** Sites of the key that do not take part. */
    readonly without: readonly string[]
  },
  now: number,
): Promise<PlanMade> => {
  const { wanted, seen } = await ofKey(flags, now)
  const { definition, findings } = planReadmit(
    {
      ...wanted,
      ...(await ownLedger(flags.home)),
      reason: flags.reason,
      without: flags.without as readonly SiteId[],
    },
    machine.random,
    now,
  )
  return planMade(definition, findings, now, seen)
}
