import { beforeAll, describe, expect, it } from 'vitest'
import type { BundleFacts } from '../../src/audit/bundle-facts.ts'
import type { Check, Finding } from '../../src/audit/check.ts'
import { allChecks } from '../../src/audit/check-table.ts'
import { auditKinds } from '../../src/audit/kinds/index.ts'
import type { AuditKind } from '../../src/audit/kinds/kind.ts'
import { type VerifyOptions, type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { type Kind, recordKinds } from '../../src/records/kinds/index.ts'
import {
  open,
  type ReconstructedChain,
  sharedFencedChain,
  sharedReadmittedChain,
  sharedReconstructedChain,
  sharedRewrappedChain,
} from '../support/bundles.ts'
import { inTurn } from '../support/report.ts'

let chain: ReconstructedChain & {
  readonly emergencyBundle: Uint8Array
  readonly rewrapBundle: Uint8Array
  readonly readmitBundle: Uint8Array
}
beforeAll(async () => {
  const { emergencyBundle } = await sharedFencedChain()
  const { rewrapBundle } = await sharedRewrappedChain()
  const { readmitBundle } = await sharedReadmittedChain()
  chain = { ...(await sharedReconstructedChain()), emergencyBundle, rewrapBundle, readmitBundle }
})

const kinds = Object.keys(recordKinds) as Kind[]
const bundleOf: Readonly<Record<Kind, () => Uint8Array>> = {
  keygen: () => chain.keygenBundle,
  sign: () => chain.signBundle,
  refresh: () => chain.refreshBundle,
  reshare: () => chain.reshareBundle,
  reconstruct: () => chain.reconstructBundle,
  repair: () => chain.repairBundle,
  emergency: () => chain.emergencyBundle,
  readmit: () => chain.readmitBundle,
  rewrap: () => chain.rewrapBundle,
}
const verify = async (kind: Kind, checks?: VerifyOptions['checks']): Promise<VerifyReport> =>
  verifyBundle(await open(bundleOf[kind]()), { trust: 'stated', evidence: protocolEvidence, ...(checks && { checks }) })
const said = new Map<Kind, readonly Check[]>()
/** All checks, each with what it finds in this kind's bundle: they look once, since nothing here is about what they find. */
const repeated = async (kind: Kind): Promise<readonly Check[]> => {
  const found = new Map<string, Finding | undefined>()
  const noting = allChecks.map((check: Check) => ({
    ...check,
    run: async (facts: BundleFacts) => {
      found.set(check.id, await check.run(facts))
      return found.get(check.id)
    },
  }))
  if (!said.has(kind)) {
    await verify(kind, noting)
    said.set(
      kind,
      allChecks.map((check: Check) => ({ ...check, run: () => found.get(check.id) })),
    )
  }
  return said.get(kind) ?? []
}
/** A complete bundle has no blame, no abort and no measurement to check, and names no record that its kind does not make. */
const idle: readonly string[] = [
  'blame.proven',
  'blame.left',
  'blame.records',
  'attestation.measured',
  'release.known',
  'readmit.known',
]
const notMade: Readonly<Record<Kind, readonly string[]>> = {
  keygen: ['signature.records', 'release.records', 'rewrap.records', 'readmit.records'],
  sign: ['possession.records', 'votes.records', 'release.records', 'rewrap.records', 'readmit.records'],
  refresh: ['signature.records', 'release.records', 'rewrap.records', 'readmit.records'],
  reshare: ['signature.records', 'release.records', 'rewrap.records', 'readmit.records'],
  repair: ['signature.records', 'release.records', 'rewrap.records', 'readmit.records'],
  reconstruct: ['possession.records', 'signature.records', 'rewrap.records', 'readmit.records'],
  emergency: ['signature.records', 'release.records', 'rewrap.records', 'readmit.records'],
  rewrap: ['possession.records', 'signature.records', 'release.records', 'readmit.records'],
  readmit: ['possession.records', 'signature.records', 'release.records', 'rewrap.records'],
}

/** Reading a bundle again for each check takes a while: by day some checks of three of the kinds, by turns. */
const played = inTurn(kinds, 3)

describe.each(played)('a bundle of a %s', (kind) => {
  const must = auditKinds[kind].must.filter((id) => ![...idle, ...notMade[kind]].includes(id))

  it('is reported on by every check that its kind asks for, and by no other', async () => {
    const report = await verify(kind)
    expect(report.verdict).toBe('valid')
    expect(report.checks.map(({ id }) => id).sort()).toEqual([...must].sort())
  })

  it('is not valid where all of them say nothing, and the verdict names each', async () => {
    const report = await verify(kind, [])
    const failing = report.checks.filter(({ verdict }) => verdict === 'fails')
    expect([report.verdict, failing.map((check) => check.id).sort()]).toEqual(['invalid', [...must].sort()])
  })

  it.each(inTurn(must, 5))('is not valid where %s says nothing, and the verdict names it', async (id) => {
    const all = await repeated(kind)
    const silent = [
      all.filter((check) => check.id !== id),
      all.map((check) => (check.id === id ? { ...check, run: () => undefined } : check)),
    ]
    for (const checks of silent) {
      const report = await verify(kind, checks)
      const failing = report.checks.filter(({ verdict }) => verdict === 'fails')
      expect([report.verdict, failing.map((check) => check.id)]).toEqual(['invalid', [id]])
      expect(failing[0]?.reason).toContain('said nothing')
    }
  })
})

describe('a list of checks', () => {
  it.each(played)('of a %s fails each check that reports and does not stand in it, by name', async (kind) => {
    const { must } = auditKinds[kind]
    const all = await repeated(kind)
    const reporting = (await verify(kind, all)).checks.map((check) => check.id)
    for (const id of inTurn(reporting, 5)) {
      const table: Record<Kind, AuditKind> = auditKinds
      const row = table[kind]
      table[kind] = { ...row, must: must.filter((one) => one !== id) }
      const report = await verify(kind, all).finally(() => {
        table[kind] = row
      })
      const failing = report.checks.filter(({ verdict }) => verdict === 'fails')
      expect([report.verdict, failing.map((check) => check.id)]).toEqual(['invalid', [id]])
      expect(failing[0]?.reason).toContain(`no ${kind} ceremony is known to have it`)
    }
  })
})

describe('the kinds of the audit', () => {
  it('are those of the records, and each check is of one of them', () => {
    expect(Object.keys(auditKinds).sort()).toEqual([...kinds].sort())
    const asked = new Set<string>(kinds.flatMap((kind) => auditKinds[kind].must))
    expect(allChecks.map(({ id }) => id).filter((id) => !asked.has(id))).toEqual([])
  })

  it.each(['prove', 'toString', 'rotate \u001b[31m'])('refuse a bundle of kind %j by name', async (kind) => {
    const bundle = await open(chain.keygenBundle)
    const definition = { ...bundle.definition, kind } as unknown as typeof bundle.definition
    const evidence = async () => protocolEvidence(bundle.definition)
    const refused = verifyBundle({ ...bundle, definition }, { trust: 'stated', evidence })
    await expect(refused).rejects.toMatchObject({
      code: 'E_BUNDLE',
      message: expect.stringContaining(kind.slice(0, 6)),
    })
    await refused.catch((error: Error) => expect(error.message).not.toContain('\u001b'))
  })

  it('refuse by name a bundle whose bytes are of a kind of another version', async () => {
    const bytes = Buffer.from(chain.keygenBundle)
    const said = bytes.indexOf('"kind":"keygen"')
    bytes.write('"kind":"rotate"', said)
    await expect(open(new Uint8Array(bytes))).rejects.toMatchObject({
      code: 'E_BUNDLE',
      message: 'a bundle of a rotate ceremony, which this version cannot judge',
      hint: 'verify it with the version that the sites ran, or a newer one',
    })
  })
})
