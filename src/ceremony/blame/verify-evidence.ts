import type { AttemptProtocol, AttemptSession, EvidenceOf, LoggedMessage } from '../../audit/protocol-evidence.ts'
import type { Hash } from '../../lib/brand.ts'
import { equal } from '../../lib/bytes.ts'
import { loadScheme } from '../../mpc/registry.ts'
import { testSignerSets } from '../../mpc/test-signature.ts'
import { DecodeError } from '../../records/codec.ts'
import { echoCodec } from '../../records/round.ts'
import { lint } from '../definition/lint.ts'
import { ceremonyKind } from '../kinds/index.ts'
import { readSignedMessage, readStripped, signedBy } from '../session/round-message.ts'
import { confirmRound } from '../session/round-spec.ts'
import type { KnownSession } from '../session/sub-session.ts'
import { transcriptOf } from '../session/transcript.ts'
import { type AnyRules, judgeBlame, type SessionContext } from './judge.ts'
import { judgeContext, sessionsOfAttempt, testSessions } from './judge-context.ts'
import { proofRules } from './test-session.ts'

const sessionOf = ({ id, rules, members, inTranscript }: KnownSession): AttemptSession => ({
  id,
  protocol: rules.id,
  rounds: Object.fromEntries(Object.entries(rules.rounds).map(([name, { to }]) => [name, to])),
  members,
  inTranscript,
})

/** Of the rules of what makes an epoch; a signature is verified, not derived. */
const derivation = (attempt: Hash, { derive }: AnyRules, own: SessionContext) =>
  derive &&
  typeof own !== 'string' && {
    derive: (posts: readonly LoggedMessage[]) => {
      const messages = posts.flatMap(({ round, from, to, payload }) =>
        payload === undefined ? [] : [{ round, from, to, payload }],
      )
      return derive(own.context, attempt, messages)
    },
  }

const confirmedBy = ({ round, payload, protocol, session }: LoggedMessage): readonly LoggedMessage[] => {
  if (round !== confirmRound || payload === undefined) return []
  try {
    return echoCodec
      .decode(payload)
      .map(([header, signature]) => readStripped(header, signature))
      .filter((one) => one.to !== 0 && one.protocol === protocol && equal(one.session, session))
  } catch (error) {
    if (error instanceof DecodeError) return []
    throw error
  }
}

/** Functions of sessions, lint and the definition's protocol, for `audit verify`. */
export const protocolEvidence: EvidenceOf = async (definition) => {
  const scheme = await loadScheme(definition.protocol)
  const kind = ceremonyKind(definition)
  return {
    protocolsOf: (attempt, given) => {
      const facts = { ...given, kind, protocols: scheme }
      const tests = testSessions(facts, attempt).map(sessionOf)
      const [today, ...past] = sessionsOfAttempt(facts, attempt).map(({ rules, sessions }) => ({
        id: rules.id,
        sessions: [...sessions.map(sessionOf), ...tests],
        ...derivation(attempt, rules, kind.context(facts)),
      }))
      return [today as AttemptProtocol, ...past]
    },
    readSignedMessage,
    signedBy,
    confirmedBy,
    transcriptOf,
    ...proofRules(scheme),
    testSignerSets,
    judge: (blame, facts) => judgeBlame(blame, judgeContext({ ...facts, kind, protocols: scheme })),
    faultsOf: (one) =>
      lint(one)
        // That keys lie in one account is for whoever plans: it takes no signature back.
        .filter(({ level, rule }) => level === 'error' && rule !== 'key-account')
        .map(({ place, message }) => `${place}: ${message}`),
  }
}
