import { planRewrap } from '../ceremony/definition/plan-rewrap.ts'
import { hedged } from '../ceremony/hedge.ts'
import { openRoot } from '../host/disk.ts'
import { openHome } from '../identity/home.ts'
import { ensureKmsKey } from '../kms/registry.ts'
import type { SiteId } from '../lib/brand.ts'
import { utf8 } from '../lib/bytes.ts'
import { hashOf } from '../lib/hash.ts'
import type { Secret } from '../lib/secret.ts'
import { cardOf, sealOf } from './kms-keys.ts'
import { machine } from './machine.ts'
import { type OfKeyFlags, ofKey, type PlanMade, planMade } from './planning.ts'

/** The KMS keys of the card can be reached, or are made where their provider lets a site make them. */
const ensureKmsKeys = async (folder: string, passphrase: (() => Promise<Secret>) | undefined): Promise<void> => {
  const disk = await openRoot(folder)
  try {
    const home = await openHome(disk)
    const random = hedged({ machine, home }, hashOf(utf8(home.identity)), 'kms')
    const context = { home: folder, random, ...(passphrase === undefined ? {} : { passphrase }) }
    for (const slot of (await home.card()).kms) await ensureKmsKey(slot, context)
  } finally {
    await disk.close()
  }
}

/** This home's share under the KMS keys of its card. Throws E_NOT_FOUND where it holds no share of the key. */
export const planRewrapping = async (
  flags: OfKeyFlags & {
    /** Sites that cosign; empty: all others. */
    readonly witnesses: readonly string[]
    /** Of a new key that is to lie under one. */
    readonly kmsPassphrase?: (() => Promise<Secret>) | undefined
  },
  now: number,
): Promise<PlanMade> => {
  const { wanted, seen } = await ofKey(flags, now)
  await ensureKmsKeys(flags.home, flags.kmsPassphrase)
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
