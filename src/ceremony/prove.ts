import type { Hash, Index, Party } from '../lib/brand.ts'
import { fromHex, toHex } from '../lib/bytes.ts'
import type { Secret } from '../lib/secret.ts'
import { hedgedRandom } from '../mpc/hedged.ts'
import type { Mailbox, Rounds } from '../mpc/mailbox.ts'
import type { Protocols } from '../mpc/registry.ts'
import { testSignatureMessage, testSignerSets } from '../mpc/test-signature.ts'
import { type Outcome, possessionCodec, testSignatureCodec } from '../records/outcome.ts'
import type { Ceremony } from './ceremony.ts'

/** What this site's secret randomness is made of, besides the system's: PROTOCOL.md §11. */
export const hedged = (ceremony: Ceremony, session: Hash, label: string, share?: Secret, message?: Uint8Array) => {
  const { machine, home } = ceremony.site
  return hedgedRandom({
    random: machine.random,
    clock: machine.clock,
    hedgeKey: home.hedge,
    session,
    label,
    processId: machine.processId,
    ...(share === undefined ? {} : { share }),
    ...(message === undefined ? {} : { message }),
    ...(machine.vmGeneration === null ? {} : { vmGeneration: toHex(machine.vmGeneration) }),
  })
}

/** Names the record, so that what a site signs in this sub-session can be judged by no other one. */
export const testLabel = (protocol: string, set: number, record: Hash): string =>
  `${protocol}:test-${set + 1}:${record}`

/** Context of a test signature's session; what signs is the whole roster's share at `members`. */
export const testContext = (outcome: Outcome, record: Hash, members: readonly Index[]) => ({
  threshold: outcome.threshold,
  publicKey: fromHex(outcome.publicKey),
  indices: members,
  verifyingShares: outcome.verifyingShares.map(fromHex),
  message: testSignatureMessage(record),
})

/** Proves possession of the share that was reopened from disk, and signs with each set that this site is in. */
export const proveRecord = async (
  ceremony: Ceremony,
  protocols: Protocols,
  box: Mailbox<Rounds>,
  outcome: Outcome,
  record: Hash,
  share: Secret,
): Promise<void> => {
  const { seat, authority } = ceremony
  const random = hedged(ceremony, record, 'possession', share)
  const proof = protocols.provePossession(share, seat.index, record, random)
  await ceremony.say('possession', possessionCodec, {
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
      const label = testLabel(protocols.sign.id, set, record)
      const inner = box.within(
        label,
        members.map((index) => Number(index) as Party),
        protocols.sign.rounds,
      )
      const context = testContext(outcome, record, members)
      const tools = { random: hedged(ceremony, inner.session, label, share, context.message) }
      const { signature } = await protocols.sign.run(inner, { ...context, share }, tools)
      await ceremony.say('test-signature', testSignatureCodec, {
        ceremony: authority.hash,
        record,
        site: seat.name,
        signers: [...members],
        signature: toHex(signature),
      })
    }),
  )
}

/** What of a record's proofs is missing here: names of sites, and of signer sets. Empty: everything holds. */
export const unproven = (
  ceremony: Ceremony,
  protocols: Protocols,
  outcome: Outcome,
  record: Hash,
): readonly string[] => {
  const { book, authority } = ceremony
  const possessions = book.possessions.get(record)
  const tests = [...(book.testSignatures.get(record)?.values() ?? [])]
  const publicKey = fromHex(outcome.publicKey)
  const sites = authority.roster
    .filter((member) => {
      const held = possessions?.get(member.name)?.signed.value
      const share = outcome.verifyingShares[member.index - 1]
      return (
        held === undefined ||
        share === undefined ||
        !protocols.verifyPossession(fromHex(share), member.index, record, fromHex(held.proof))
      )
    })
    .map((member) => member.name)
  const sets = testSignerSets(outcome.verifyingShares.length, outcome.threshold)
    .filter(
      (members) =>
        !tests.some(
          ({ signed }) =>
            signed.value.signers.join() === members.join() &&
            protocols.verifySignature(publicKey, testSignatureMessage(record), fromHex(signed.value.signature)),
        ),
    )
    .map((members) => `test signature by ${members.map((index) => authority.roster[index - 1]?.name).join(' and ')}`)
  return [...sites, ...sets]
}
