import { expect, it } from 'vitest'
import { allChecks, type CheckId } from '../../src/audit/check-table.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { report } from '../support/report.ts'
import { hearHonest, violatedByLog, violatedByRecord } from './lies-reach.ts'
import { lyingBase } from './own-log.ts'
import { logLies } from './own-log-lies.ts'
import { allLies, playLie, samplesOf } from './record-liars.ts'
import type { RecordLie } from './record-lies.ts'

/** Each check of the audit is violated by something that one liar says; the lies that the other tests play are enough. */

/** Checks of what no site says to another, each with its reason. */
const beyondMessages: Partial<Record<CheckId, string>> = {
  'definition.sound': 'all that it looks at is hashed into the ceremony id, which every site joins by',
  'identities.trusted': 'who is trusted is said by whoever verifies',
  'log.named': 'the site that writes the bundle puts in only what its logs name',
  'transcript.hash': 'each message has an honest sender or receiver that logged it before it stated the hash',
  'transcript.derived': 'each honest site derived the key itself from what it logged, before it voted',
  'transcript.outcome': 'each honest site made the outcome itself, before it voted',
  'transcript.base': 'the record that is replaced is in the definition, and each honest site builds on its own',
  'votes.retired': 'fewer than a quorum that say nothing leave no quorum of the old shares',
  'votes.output': 'the site that writes the bundle shows the key of its own record',
  'signature.valid': 'each honest site verified the signature itself, before it stated it',
  'signature.message': 'each honest site looked at the message itself, before it signed',
  'signature.key': 'the key is in the definition, and each honest site signed with its own shard',
  'signature.output': 'the site that writes the bundle shows the signature that it verified',
  'release.key': 'the shares are in the definition, and each honest site holds them against its own record',
  'rewrap.key': 'the shares are in the definition, and each honest site holds them against its own record',
  'release.known': 'it is open where the log of a site says that it gave a share of the key before, and none here did',
  'readmit.key': 'the key is in the definition, and each honest site holds it against its own record',
  'readmit.known': 'it is open where the log of a site says that a site was taken back before, and none here was',
  'blame.left': 'it says who left, and holds of whoever did',
  'identities.unrevoked': 'a revocation stands in the auditor’s trust file, and no ceremony says it',
  'attestation.measured': 'it is open wherever the definition wants evidence of what ran',
  'time.stamped': 'it is open wherever no timestamp is in the bundle',
}

/** Silence about one thing: with this check open in what the honest sites close, or with nothing closed at all. */
const silences: readonly (readonly [CheckId, RecordLie['kind'], RecordLie['subject'], 'open' | 'nothing is closed'])[] =
  [
    ['log.present', 'keygen', 'log', 'open'],
    ['log.cosigned', 'keygen', 'cosignature', 'open'],
    ['manifest.signed', 'sign', 'manifest', 'open'],
    ['possession.proven', 'keygen', 'possession', 'nothing is closed'],
    ['votes.ready', 'keygen', 'ready', 'nothing is closed'],
    ['votes.fenced', 'emergency', 'fenced', 'nothing is closed'],
    ['votes.installed', 'keygen', 'installed', 'nothing is closed'],
    ['rewrap.replaced', 'rewrap', 'replaced', 'nothing is closed'],
  ]

it('each check of the audit is violated by some lie', async () => {
  const [s1, s3] = ['s1', 's3'] as [SiteId, SiteId]
  const message = utf8('pay nobody')
  const base = await lyingBase()
  const samples = await samplesOf(base)
  const wanted = new Set<string>(allChecks.map(({ id }) => id))
  const reached = new Map<string, number>()
  const count = (ids: readonly string[]): void => {
    for (const id of ids) reached.set(id, (reached.get(id) ?? 0) + 1)
  }
  for (const [check, kind, subject, end] of silences) {
    const lie = { kind, by: s3, subject, field: undefined, way: 'withheld', silent: false, pick: 1 } as const
    for (const { ended, open } of await playLie(base, samples, lie))
      if (end === 'open') expect(open.map((line) => line.split(':')[0])).toContain(check)
      else expect(ended, `without ${subject}`).not.toBe('0')
    count([check])
  }
  const packed: readonly string[] = ['junk', 'too many', 'before the true one']
  for (const kind of ['keygen', 'sign'] as const)
    for (const by of [s1, s3]) {
      const heard = await hearHonest(base, kind, by)
      for (const lie of allLies(samples))
        if (lie.kind === kind && lie.by === by && packed.includes(lie.way))
          count(await violatedByRecord(heard, samples, lie, message))
      if (by === s3)
        for (const check of new Set(logLies.map((lie) => lie.check)))
          for (const lie of logLies
            .filter((one) => one.check === check)
            .filter((_, at, { length }) => at < 3 || at > length - 4))
            count(await violatedByLog(heard, lie, message))
    }
  const gave = await hearHonest(base, 'reconstruct', s3)
  for (const lie of allLies(samples))
    if (lie.kind === 'reconstruct' && lie.by === s3 && lie.subject === 'release' && packed.includes(lie.way))
      count(await violatedByRecord(gave, samples, lie, message))
  for (const [by, subject] of [
    [s3, 'readmitted'],
    [s1, 'rebound'],
  ] as const) {
    const back = await hearHonest(base, 'readmit', by)
    for (const lie of allLies(samples))
      if (lie.kind === 'readmit' && lie.by === by && lie.subject === subject && packed.includes(lie.way))
        count(await violatedByRecord(back, samples, lie, message))
  }
  for (const [by, subjects] of [
    [s3, ['rewrapped', 'replaced']],
    [s1, ['witnessed']],
  ] as const) {
    const moved = await hearHonest(base, 'rewrap', by)
    for (const lie of allLies(samples))
      if (lie.kind === 'rewrap' && lie.by === by && (subjects as readonly string[]).includes(lie.subject))
        if (packed.includes(lie.way)) count(await violatedByRecord(moved, samples, lie, message))
  }
  report(`checks by lies that violate them: ${JSON.stringify(Object.fromEntries([...reached].sort()))}`)
  const never = [...wanted].filter((id) => !reached.has(id) && !(id in beyondMessages))
  expect(never, 'no lie violates').toEqual([])
  // A check that some lie does reach has no place in the list of those that none can. Two are open in every bundle.
  const said = Object.keys(beyondMessages).filter((id) => reached.has(id) && id !== 'time.stamped')
  expect(said, 'said to be beyond messages').toEqual([])
})
