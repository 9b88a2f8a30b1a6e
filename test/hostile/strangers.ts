import { expect } from 'vitest'
import { buildBundle, readBundle } from '../../src/audit/bundle.ts'
import { openLog } from '../../src/audit/disk-log.ts'
import { exportLedger, exportLog } from '../../src/audit/log-export.ts'
import { ceremonyOrigin, ledgerOrigin } from '../../src/audit/note.ts'
import { bufferSource } from '../../src/audit/tar.ts'
import { type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { certify } from '../../src/identity/certificate.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { recordSigner } from '../../src/identity/ed25519.ts'
import type { Home } from '../../src/identity/home.ts'
import type { IdentityKey } from '../../src/identity/identity-key.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { attemptCodec } from '../../src/records/attempt.ts'
import { ceremonyId, definitionCodec } from '../../src/records/definition.ts'
import type { CeremonyEventName, LedgerEventName } from '../../src/records/event.ts'
import { outcomeCodec, recordCodec } from '../../src/records/outcome.ts'
import { type Blame, blameCodec } from '../../src/records/round.ts'
import { memoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { memoryHome } from '../support/home.ts'
import type { MemoryWorld } from '../support/memory-site.ts'
import type { Joined } from './ceremonies.ts'
import type { Play, Table } from './parties.ts'

/** A stranger has a bundle and nothing else: neither the message nor what any site remembers. */
const verify = async (bytes: Uint8Array): Promise<VerifyReport> =>
  verifyBundle(await readBundle(bufferSource(bytes)), { trust: 'stated', evidence: protocolEvidence })

/** The bundle that a join left, whatever it ended with. */
export const bundleAt = async (
  world: MemoryWorld,
  { site, result, error }: Pick<Joined, 'site' | 'result' | 'error'>,
): Promise<Uint8Array | undefined> => {
  const path = result?.bundle ?? (error instanceof QuorateError ? error.details['bundle'] : undefined)
  return typeof path === 'string' ? world.homes.get(site)?.disk.read(path) : undefined
}

/** Whoever has only the bundle that a join left proves every claim that its site logged as proven. */
export const strangerAgrees = async (world: MemoryWorld, joined: Joined): Promise<void> => {
  const proofs = joined.ceremony?.events('evidence').length ?? 0
  const bytes = await bundleAt(world, joined)
  if (bytes === undefined || proofs === 0) return
  const { checks } = await verify(bytes)
  const found = checks.find(({ id }) => id === 'blame.proven')
  expect(found?.verdict, `a stranger about the bundle of ${joined.site}: ${found?.reason}`).toBe('holds')
}

const homes = new Map<SiteId, Promise<{ readonly home: Home; readonly key: IdentityKey }>>()
const homeOf = (site: SiteId) => {
  const known =
    homes.get(site) ?? memoryHome(site).then(async ({ home }) => ({ home, key: await home.unlock() }) as const)
  homes.set(site, known)
  return known
}

/** The abort bundle of a session's accuser: what its log holds when it ends on this claim. */
const abortBundle = async (table: Table, run: Play, blame: Blame): Promise<Uint8Array> => {
  const { attempt, outcomes, records } = run.factsAt(blame.accuser)
  if (attempt === undefined) throw new Error('a session without an attempt')
  const { definition } = table
  const ceremony = ceremonyId(definition)
  const { home } = await homeOf(blame.accuser)
  const disk = memoryDisk()
  const signer = home.keys.log
  const at = attempt.at
  const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer })
  const opened: LedgerEventName = 'log-opened'
  ledger.append({ at, what: opened, ceremony, site: null, object: null })
  await ledger.barrier()
  const log = await openLog({ disk, path: 'log', origin: ceremonyOrigin(ceremony, home.identity), signer })
  const objects = new Map<string, Uint8Array>()
  const note = (what: CeremonyEventName, body: Uint8Array, site: SiteId | null = null): void => {
    const object = hashOf(body)
    objects.set(object, body)
    log.append({ at, what, ceremony, site, object }, body)
  }
  note('opened', utf8(ledger.head?.note ?? ''))
  note('definition', definitionCodec.encode(definition))
  for (const { site, key } of attempt.participants) {
    const { key: identity } = await homeOf(site)
    const join = { authority: ceremony, expires: at + 1000 }
    note('certificate', toEnvelope(await certify(identity.signer, identity.identity, 'message', key, join)), site)
  }
  for (const { site, signer: raw } of run.seats)
    note('attempt-signature', toEnvelope(await recordSigner(site, raw).sign(attemptCodec, attempt)), site)
  for (const outcome of outcomes.values()) note('outcome', outcomeCodec.encode(outcome))
  for (const record of records.values()) note('record', recordCodec.encode(record))
  note('evidence', blameCodec.encode(blame), blame.accused)
  await log.barrier()
  const bundle = await buildBundle({
    definition: definitionCodec.encode(definition),
    sites: new Map([[blame.accuser, { ...exportLog(log), ledger: exportLedger(ledger, ceremony) }]]),
    outputs: new Map(table.terms.kind === 'sign' ? [['message', table.message]] : []),
    object: (hash) => objects.get(hash),
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of bundle.finish({ cosignatures: new Map(), signatures: new Map() })) chunks.push(chunk)
  return new Uint8Array(Buffer.concat(chunks))
}

/** The bytes of a session's abort bundle, where a stranger proves the claim with them alone; fails where not. */
export const provenByStranger = async (table: Table, run: Play, blame: Blame): Promise<number> => {
  const bytes = await abortBundle(table, run, blame)
  const { checks } = await verify(bytes)
  const found = checks.find(({ id }) => id === 'blame.proven')
  expect(found?.verdict, `a stranger about ${blame.check} against ${blame.accused}: ${found?.reason}`).toBe('holds')
  return bytes.length
}
