import { expect } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import type { ReadmitDefinition } from '../../src/records/kinds/readmit.ts'
import type { ReconstructDefinition } from '../../src/records/kinds/reconstruct.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import { shardStore } from '../../src/shards/store.ts'
import { open } from '../support/bundles.ts'
import {
  emergencyDefinition,
  keygenDefinition,
  readmitDefinition,
  reconstructDefinition,
  refreshDefinition,
  rewrapDefinition,
  signDefinition,
  siteEntries,
} from '../support/definition.ts'
import { copyWorld, type MemoryWorld, memoryWorld } from '../support/memory-site.ts'
import { headOf } from '../support/readmits.ts'
import { ageRecipient } from '../support/recipients.ts'
import { approversApprove } from '../support/reconstructs.ts'
import { approveAll, type Joined, joinAs, type Liar } from './ceremonies.ts'

const sites = ['s1', 's2', 's3'] as SiteId[]
const [s1, , s3] = sites as [SiteId, SiteId, SiteId]
const deadlines = { gather: 60, proposal: 5, round: 20, close: 12 }
const message = utf8('pay nobody')

export interface Base {
  readonly fresh: MemoryWorld
  readonly keyed: MemoryWorld
  readonly key: Hash
  readonly record: Hash
  readonly of: ReconstructDefinition['of']
  /** The ledger of the first site: it is taken back as it is. */
  readonly ledger: ReadmitDefinition['ledger']
  /** The envelope of the share of s3. */
  readonly envelope: Hash
}

/** Three homes before and after a key generation; every case works on a copy. */
export const lyingBase = async (): Promise<Base> => {
  const fresh = await memoryWorld(sites)
  const keyed = await copyWorld(fresh, 'keyed')
  const definition = await keygenDefinition({ sites: await siteEntries(sites), deadlines })
  await approveAll(keyed, sites, definition)
  await Promise.all(sites.map((site) => joinAs(keyed, site, definition, null)))
  const disk = keyed.homes.get(s1)?.disk
  const [epoch] = disk === undefined ? [] : await shardStore(disk).list()
  if (epoch?.record === undefined) throw new Error('no key')
  const { publicKey, verifyingShares } = epoch.made
  return {
    ...{ fresh, keyed, key: epoch.key, record: hashOf(recordCodec.encode(epoch.record)) },
    of: { publicKey, verifyingShares: [...verifyingShares] },
    ledger: await headOf(keyed, s1),
    envelope: epoch.record.envelopes[2] as Hash,
  }
}

export interface Verified {
  readonly site: SiteId
  /** Key or signature that it holds at the end. */
  readonly made: string | undefined
  /** Records of the epochs that it has a share of. */
  readonly usable: readonly Hash[]
  /** How it ended for its operator: 0, or the code of the error. */
  readonly ended: string
  readonly verdict: string | undefined
  readonly failing: readonly string[]
  readonly accused: readonly string[]
  readonly open: readonly string[]
  readonly proofs: readonly SiteId[]
}

export const verified = async (world: MemoryWorld, { site, result, error, ceremony }: Joined): Promise<Verified> => {
  const shares = await shardStore((world.homes.get(site) ?? expect.fail()).disk).list()
  const usable = shares.flatMap(({ state, record }) =>
    state === 'installed' && record !== undefined ? hashOf(recordCodec.encode(record)) : [],
  )
  const proofs = [...(ceremony?.store.blames.values() ?? [])].map(({ value }) => value.accused)
  const made = result?.signature ?? result?.key?.id
  const path = result?.bundle ?? (error instanceof QuorateError ? error.details['bundle'] : undefined)
  const bytes = typeof path === 'string' ? await world.homes.get(site)?.disk.read(path) : undefined
  const ended =
    error === undefined ? '0' : error instanceof QuorateError ? error.code : `bug: ${(error as Error).stack}`
  if (bytes === undefined)
    return { site, made, usable, ended, verdict: undefined, failing: [], accused: [], open: [], proofs }
  const report = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence, message })
  const said = (verdict: string) =>
    report.checks.filter((check) => check.verdict === verdict).map(({ id, reason }) => `${id}: ${reason}`)
  return {
    site,
    made,
    usable,
    ended,
    verdict: report.verdict,
    failing: said('fails'),
    accused: report.contradictions.map(({ by }) => by),
    open: said('open'),
    proofs,
  }
}

const definitionOf = async (
  { key, record, of, ledger, envelope }: Base,
  kind: Definition['kind'],
): Promise<Definition> => {
  const common = { sites: await siteEntries(sites), deadlines }
  if (kind === 'keygen') return keygenDefinition(common)
  const ofKey = { ...common, key, base: record }
  if (kind === 'refresh') return refreshDefinition(ofKey)
  if (kind === 'reconstruct')
    return reconstructDefinition({ ...ofKey, of, givers: sites, recipients: [ageRecipient()] })
  if (kind === 'readmit') return readmitDefinition({ ...ofKey, returning: s1, ledger, helpers: sites.slice(1) })
  if (kind === 'rewrap') {
    const old = { envelope, kms: common.sites[2]?.kms ?? [] }
    return rewrapDefinition({ ...ofKey, of, site: s3, old, witnesses: sites.filter((name) => name !== s3) })
  }
  if (kind === 'emergency') {
    const holders = common.sites.map(({ name, identity }) => ({ name, identity }))
    const { fences, ...rest } = await emergencyDefinition(common)
    return { ...rest, fences: { ...fences, key, base: record, holders } }
  }
  return signDefinition({
    ...ofKey,
    signers: [s1, s3],
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
}

/** A whole ceremony in which one site lies. */
export const lyingCeremony = async (
  base: Base,
  kind: Definition['kind'],
  tag: string,
  makeLiar: (definition: Definition) => Liar,
  name: SiteId = s3,
): Promise<{ readonly world: MemoryWorld; readonly joined: readonly Joined[] }> => {
  const world = await copyWorld(kind === 'keygen' ? base.fresh : base.keyed, tag)
  const definition = await definitionOf(base, kind)
  const there = kind === 'sign' ? [s1, s3] : sites
  await approveAll(world, there, definition)
  if ('recipients' in definition) await approversApprove(world, there, definition)
  const liar = makeLiar(definition)
  const bytes = kind === 'sign' ? message : null
  const joined = await Promise.all(
    there.map(async (one) => joinAs(world, one, definition, bytes, one === name ? liar : undefined)),
  )
  world.clock.stop()
  return { world, joined: joined.filter(({ site }) => site !== name) }
}

/** What the honest sites that took part hold at the end of such a ceremony. */
export const withLiar = async (...given: Parameters<typeof lyingCeremony>): Promise<readonly Verified[]> => {
  const { world, joined } = await lyingCeremony(...given)
  return Promise.all(joined.map((one) => verified(world, one)))
}
