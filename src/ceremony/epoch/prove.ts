import type { Hash, Party } from '../../lib/brand.ts'
import { toHex } from '../../lib/bytes.ts'
import type { Secret } from '../../lib/secret.ts'
import type { Mailbox, Rounds } from '../../mpc/mailbox.ts'
import type { Scheme } from '../../mpc/scheme.ts'
import { testSignerSets } from '../../mpc/test-signature.ts'
import type { Outcome } from '../../records/outcome.ts'
import { testContext, testLabel } from '../blame/test-session.ts'
import { hedged } from '../hedge.ts'
import type { Ceremony } from '../store/ceremony.ts'

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
