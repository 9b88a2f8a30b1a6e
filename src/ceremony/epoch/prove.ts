import type { Hash, Index, Party } from '../../lib/brand.ts'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { hashOf } from '../../lib/hash.ts'
import type { Secret } from '../../lib/secret.ts'
import type { Mailbox, Rounds } from '../../mpc/mailbox.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import { testSignatureMessage, testSignerSets } from '../../mpc/test-signature.ts'
import type { Outcome, Possession, TestSignature } from '../../records/outcome.ts'
import { testContext, testLabel } from '../blame/test-session.ts'
import { hedged } from '../hedge.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { RecordFault, RecordStore } from '../store/record-store.ts'
import type { Held } from '../store/shelf.ts'

/** Proves possession of the share that was reopened from disk, and signs with each set that this site is in. */
export const proveRecord = async (
  ceremony: Ceremony,
  protocols: Scheme,
  box: Mailbox<Rounds>,
  outcome: Outcome,
  record: Hash,
  share: Secret,
): Promise<void> => {
  const { seat, authority } = ceremony
  const random = hedged(ceremony.site, record, 'possession', share)
  const proof = protocols.provePossession(share, seat.index, record, random)
  await ceremony.publish('possession', {
    ceremony: authority.hash,
    record,
    site: seat.name,
    index: seat.index,
    proof: toHex(proof),
  })
  const sets = testSignerSets(outcome.verifyingShares.length, outcome.threshold)
  await Promise.all(
    sets.map(async (members, set) => {
      if (!members.includes(seat.index)) return
      const label = testLabel(set, record)
      const inner = box.within(
        protocols.sign,
        label,
        members.map((index) => Number(index) as Party),
      )
      const context = testContext(outcome, record, members)
      const tools = { random: hedged(ceremony.site, inner.session, label, share, context.message) }
      const { signature } = await protocols.sign.run(inner, { ...context, share }, tools)
      await ceremony.publish('test-signature', {
        ceremony: authority.hash,
        record,
        site: seat.name,
        signers: [...members],
        signature: toHex(signature),
      })
    }),
  )
}

const once = ({ verdicts }: RecordStore, { envelope }: Held<unknown>, verify: () => boolean): boolean => {
  const hash = hashOf(envelope)
  const known = verdicts.get(hash) ?? verify()
  verdicts.set(hash, known)
  return known
}

const possessionHolds = (store: RecordStore, protocols: Scheme, outcome: Outcome, held: Held<Possession>): boolean =>
  once(store, held, () => {
    const { index, record, proof } = held.signed.value
    const share = outcome.verifyingShares[index - 1]
    return share !== undefined && protocols.verifyPossession(fromHex(share), index, record, fromHex(proof))
  })

const testHolds = (
  store: RecordStore,
  protocols: Scheme,
  outcome: Outcome,
  held: Held<TestSignature>,
  index: Index,
): boolean =>
  once(store, held, () => {
    const { signers, record, signature } = held.signed.value
    const sets = testSignerSets(outcome.verifyingShares.length, outcome.threshold)
    const set = sets.find((members) => members.join() === signers.join())
    const message = testSignatureMessage(record)
    return (
      set?.includes(index) === true &&
      protocols.verifySignature(fromHex(outcome.publicKey), message, fromHex(signature))
    )
  })

/** Proofs of a record that the store holds, and whether each holds. */
const judged = (ceremony: Ceremony, protocols: Scheme, outcome: Outcome, record: Hash) => {
  const { store, authority } = ceremony
  const possessions = [...(store.possessions.get(record)?.values() ?? [])].map((held) => ({
    check: 'possession' as const,
    held,
    holds: possessionHolds(store, protocols, outcome, held),
  }))
  const tests = [...(store.testSignatures.get(record)?.values() ?? [])].map((held) => ({
    check: 'test-signature' as const,
    held,
    holds: testHolds(store, protocols, outcome, held, authority.member(held.site)?.index as Index),
  }))
  return { possessions, tests }
}

/** Proofs of a record that are missing here: names of sites, and of signer sets. Empty: everything holds. */
export const unproven = (ceremony: Ceremony, protocols: Scheme, outcome: Outcome, record: Hash): readonly string[] => {
  const { roster } = ceremony.authority
  const { possessions, tests } = judged(ceremony, protocols, outcome, record)
  const sites = roster
    .filter((member) => !possessions.some(({ held, holds }) => holds && held.site === member.name))
    .map((member) => member.name)
  const sets = testSignerSets(outcome.verifyingShares.length, outcome.threshold)
    .filter((members) => !tests.some(({ held, holds }) => holds && held.signed.value.signers.join() === members.join()))
    .map((members) => `test signature by ${members.map((index) => roster[index - 1]?.name).join(' and ')}`)
  return [...sites, ...sets]
}

/** A proof that does not hold, as a fault of who signed it. */
export const falseProof = (
  ceremony: Ceremony,
  protocols: Scheme,
  outcome: Outcome,
  record: Hash,
): RecordFault | undefined => {
  const { possessions, tests } = judged(ceremony, protocols, outcome, record)
  const bad = [...possessions, ...tests].find(({ holds }) => !holds)
  if (bad === undefined) return undefined
  const { site, signed, envelope } = bad.held
  return { site, check: bad.check, records: [{ key: signed.key, envelope }] }
}

/** Logs the others' proofs of a record, all of which hold: what came besides is nothing that this site stands for. */
export const keepProofs = (ceremony: Ceremony, protocols: Scheme, outcome: Outcome, record: Hash): void => {
  const { possessions, tests } = judged(ceremony, protocols, outcome, record)
  for (const { check, held, holds } of [...possessions, ...tests]) {
    const known = ceremony.events(check).some((event) => event.object === hashOf(held.envelope))
    if (holds && !known) ceremony.note(check, held.envelope, held.site)
  }
}
