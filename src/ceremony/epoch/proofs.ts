import type { Hash } from '../../lib/brand.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import { testSignerSets } from '../../mpc/test-signature.ts'
import { type Outcome, outcomeCodec, type Possession, recordCodec, type TestSignature } from '../../records/outcome.ts'
import { isProofName, type ProofName, proofHolds, proofNames } from '../../records/proofs.ts'
import { proofRules } from '../blame/test-session.ts'
import type { FoundFault } from '../kinds/kind.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { RecordFault } from '../store/record-store.ts'
import type { Held } from '../store/shelf.ts'
import { type StagedRecord, stagedRecord, stagedRecords } from './staged-record.ts'

type Proof = Possession | TestSignature

const holdsFor = (protocols: Scheme, outcome: Outcome, name: ProofName, { signed }: Held<Proof>): boolean =>
  proofHolds(name, signed.value as never, outcome, proofRules(protocols))

/** The proofs of a record that are held, and whether each holds. Each is checked once, however often this is asked. */
const judged = ({ store }: Ceremony, protocols: Scheme, { outcome, hash }: StagedRecord) =>
  proofNames.flatMap((name) =>
    [...(store.held(name).get(hash)?.values() ?? [])].map((held: Held<Proof>) => {
      const id = hashOf(held.envelope)
      const holds = store.verdicts.get(id) ?? holdsFor(protocols, outcome, name, held)
      store.verdicts.set(id, holds)
      return { name, held, holds }
    }),
  )

/** Proofs of a record that are missing here: names of sites, and of signer sets. Empty: everything holds. */
export const unproven = (ceremony: Ceremony, protocols: Scheme, record: StagedRecord): readonly string[] => {
  const { receivers } = ceremony.authority
  const held = judged(ceremony, protocols, record).filter(({ holds }) => holds)
  const proving = new Set(held.flatMap(({ name, held: { site } }) => (name === 'possession' ? [site] : [])))
  const signed = new Set(
    held.flatMap(
      ({
        held: {
          signed: { value },
        },
      }) => ('signers' in value ? [value.signers.join()] : []),
    ),
  )
  const sites = receivers.map(({ name }) => name).filter((name) => !proving.has(name))
  const sets = testSignerSets(record.outcome.verifyingShares.length, record.outcome.threshold)
    .filter((members) => !signed.has(members.join()))
    .map((members) => `test signature by ${members.map((index) => receivers[index - 1]?.name).join(' and ')}`)
  return [...sites, ...sets]
}

/** A proof that does not hold, as a fault of who signed it. */
export const falseProof = (ceremony: Ceremony, protocols: Scheme, record: StagedRecord): RecordFault | undefined => {
  const bad = judged(ceremony, protocols, record).find(({ holds }) => !holds)
  if (bad === undefined) return undefined
  const { site, signed, envelope } = bad.held
  return { site, check: bad.name, records: [{ key: signed.key, envelope }] }
}

/** False proofs of any record that this site knows the shards of, however late they come. */
export const falseProofs = (ceremony: Ceremony, protocols: Scheme): readonly FoundFault[] =>
  stagedRecords(ceremony).flatMap((record) => {
    const fault = falseProof(ceremony, protocols, record)
    return fault === undefined
      ? []
      : [{ fault, rest: [recordCodec.encode(record.record), outcomeCodec.encode(record.outcome)] }]
  })

/** True of a proof that holds, for a record that this site staged its shard for. */
export const isTrueProof = (ceremony: Ceremony, protocols: Scheme, name: string, held: Held<unknown>): boolean => {
  if (!isProofName(name)) return false
  const proof = held as Held<Proof>
  const record = stagedRecord(ceremony, proof.signed.value.record as Hash)
  return record !== undefined && holdsFor(protocols, record.outcome, name, proof)
}

/** Logs the others' proofs of a record, all of which hold: what came besides is nothing that this site stands for. */
export const keepProofs = (ceremony: Ceremony, protocols: Scheme, record: StagedRecord): void => {
  for (const { name, held, holds } of judged(ceremony, protocols, record)) {
    const known = ceremony.events(name).some((event) => event.object === hashOf(held.envelope))
    if (holds && !known) ceremony.note(name, held.envelope, held.site)
  }
}
