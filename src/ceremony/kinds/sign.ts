import type { LogView } from '../../audit/disk-log.ts'
import type { SiteId } from '../../lib/brand.ts'
import { fromHex } from '../../lib/bytes.ts'
import type { SignDefinition } from '../../records/kinds/sign.ts'
import type { SessionContext } from '../blame/judge.ts'
import { outcomeOf, type PublicFacts } from '../blame/judge-context.ts'
import { error, type Finding, refuseErrors, warning } from '../definition/finding.ts'
import { lintAgainst } from '../definition/lint-key.ts'
import { messageBytes } from '../definition/message.ts'
import { lifecycleOf } from '../lifecycle.ts'
import { hasBound, hasOpenAttempt } from '../session/binding.ts'
import type { Ceremony } from '../store/ceremony.ts'
import type { CeremonyKind, CeremonyResult } from './kind.ts'

const result = ({ authority, store, seat }: Ceremony): CeremonyResult | undefined => {
  const stated = store.results.get(seat.name)?.signed.value
  if (stated === undefined) return undefined
  const { protocol, key: id } = authority.definition as SignDefinition
  const signers = store.attempts.get(stated.attempt)?.value.participants.map((one) => one.site) ?? []
  return {
    key: { id, protocol, publicKey: stated.publicKey },
    signature: stated.signature,
    signers,
    sites: signers.includes(seat.name) ? signers : [seat.name],
  }
}

/** The roster's shares of the epoch that the attempt names, as its outcome shows them. */
const context = (facts: PublicFacts): SessionContext => {
  const { definition, attempt, message } = facts
  if (attempt === undefined) return 'unknown'
  if (attempt.base === null) return 'none'
  const outcome = outcomeOf(facts, attempt.base)
  if (outcome === undefined) return 'unknown'
  return {
    context: {
      threshold: outcome.threshold,
      publicKey: fromHex(outcome.publicKey),
      indices: attempt.participants.map((one) => definition.sites.findIndex((site) => site.name === one.site) + 1),
      verifyingShares: outcome.verifyingShares.map(fromHex),
      message,
    },
  }
}

const boundBy = (log: LogView, site: SiteId): string | undefined => {
  const events = [...log.replay()]
  if (events.some((event) => event.what === 'result')) return 'the signature is made'
  if (hasOpenAttempt(log)) return 'an attempt that it signed may still bring the signature'
  return hasBound(log, site) ? 'it has sent a signature share' : undefined
}

const lint = ({ signers, sites, threshold, message }: SignDefinition): readonly Finding[] => {
  const blind =
    message.form === 'digest'
      ? [warning('blind', 'message', 'nobody can decode what is signed; the reason stands here')]
      : []
  if (signers === 'any') return blind
  const seats = signers.map((name) => sites.findIndex((site) => site.name === name))
  return [
    ...blind,
    ...seats.flatMap((seat, n) => (seat === -1 ? [error('signer', `signers[${n}]`, 'no site of this name')] : [])),
    ...seats.flatMap((seat, n) =>
      n > 0 && seat !== -1 && seat <= (seats[n - 1] ?? -1)
        ? [error('signer-order', `signers[${n}]`, 'signers stand in the order of the sites, each once')]
        : [],
    ),
    ...(signers.length < threshold
      ? [error('signers', 'signers', `${signers.length} signers, and the key needs ${threshold}`)]
      : []),
  ]
}

/** A signature over something that every signer has decoded and shown. */
export const sign: CeremonyKind<SignDefinition> = {
  lifecycle: lifecycleOf({
    drafted: ['approved', 'aborted'],
    approved: ['gathering', 'aborted'],
    gathering: ['running', 'done', 'aborted'],
    running: ['gathering', 'done', 'aborted'],
    done: ['closed'],
    aborted: ['closed'],
  }),
  protocols: ({ sign: today }) => [today],
  context,
  prepare: async (...given) => (await import('./sign-run.ts')).prepareSign(...given),
  result,
  boundBy,
  lint,
  refuseUnfit(definition, { base, message }) {
    if (base !== undefined) refuseErrors(lintAgainst(definition, base))
    messageBytes(definition.message, message)
  },
}
