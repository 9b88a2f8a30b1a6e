import { approvalsFolder } from '../../src/ceremony/paths.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition, receiversIn } from '../../src/records/definition.ts'
import { approvalCodec } from '../../src/records/identity.ts'
import type { ReconstructDefinition } from '../../src/records/kinds/reconstruct.ts'
import { reconstructDefinition } from './definition.ts'
import { memoryHome } from './home.ts'
import type { MemoryWorld } from './memory-site.ts'
import { newestAt, recordHashOf } from './reshares.ts'

const approvers = ['notary-1', 'notary-2']

/** Both approvers approve, and their approvals are carried to these sites. */
export const approversApprove = async (
  world: MemoryWorld,
  sites: readonly string[],
  definition: ReconstructDefinition,
): Promise<void> => {
  const ceremony = ceremonyId(definition)
  for (const name of approvers) {
    const { home } = await memoryHome(name, { role: 'approver' })
    const { signer, identity } = await home.unlock()
    const at = world.clock.now()
    const approval = { ceremony, identity, role: 'approver', purpose: 'approve', at } as const
    const envelope = toEnvelope(await signer.sign(approvalCodec, approval))
    for (const site of sites) {
      const disk = world.homes.get(site)?.disk
      await disk?.folder(approvalsFolder(ceremony))
      await disk?.create(`${approvalsFolder(ceremony)}/${name}.dsse`, envelope)
    }
  }
}

/** The definition that gives the newest epoch of `made` to these recipients. */
export const reconstructOf = async (
  world: MemoryWorld,
  made: Definition,
  changes: Partial<ReconstructDefinition> = {},
): Promise<ReconstructDefinition> => {
  const sites = [...receiversIn(made)]
  const base = await newestAt(world, sites[0]?.name ?? '')
  const { publicKey, verifyingShares, threshold } = base.made
  return reconstructDefinition({
    name: made.name,
    protocol: made.protocol,
    nonce: hashOf(new TextEncoder().encode(`${ceremonyId(made)} reconstruct`)).slice(0, 32),
    threshold,
    sites,
    key: base.key,
    base: recordHashOf(base),
    of: { publicKey, verifyingShares: [...verifyingShares] },
    givers: sites.map(({ name }) => name),
    ...changes,
  })
}
