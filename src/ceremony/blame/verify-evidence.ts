import type { EvidenceOf, SessionProtocol } from '../../audit/protocol-evidence.ts'
import type { ProtocolRules, Rounds } from '../../mpc/mailbox.ts'
import { loadScheme } from '../../mpc/registry.ts'
import type { KeygenContext, KeyRules } from '../../mpc/scheme.ts'
import { testSignatureMessage, testSignerSets } from '../../mpc/test-signature.ts'
import { lint } from '../definition/lint.ts'
import { readSignedMessage, signedBy } from '../session/round-message.ts'
import { transcriptOf } from '../session/session.ts'
import { judgeBlame } from './judge.ts'
import { judgeContext } from './judge-context.ts'

const ways = (rules: ProtocolRules<Rounds, never>): Readonly<Record<string, 'all' | 'each'>> =>
  Object.fromEntries(Object.entries(rules.rounds).map(([name, { to }]) => [name, to]))

const keyProtocol = (rules: KeyRules<Rounds, KeygenContext>): SessionProtocol => ({
  id: rules.id,
  rounds: ways(rules),
  derive: (context, session, posts) => {
    const messages = posts.flatMap(({ round, from, to, payload }) =>
      payload === undefined ? [] : [{ round, from, to, payload }],
    )
    return rules.derive(context, session, messages)
  },
})

/** What `audit verify` needs of sessions, lint and the protocol that a definition names. */
export const protocolEvidence: EvidenceOf = async (definition) => {
  const scheme = await loadScheme(definition.protocol)
  const { keygen, sign, past } = scheme
  return {
    protocols:
      definition.kind === 'keygen' ? [keygen, ...past.keygen].map(keyProtocol) : [{ id: sign.id, rounds: ways(sign) }],
    readSignedMessage,
    signedBy,
    transcriptOf,
    verifyPossession: scheme.verifyPossession,
    verifySignature: scheme.verifySignature,
    testMessage: testSignatureMessage,
    testSignerSets,
    judge: (blame, facts) => judgeBlame(blame, judgeContext({ ...facts, protocols: scheme })),
    faultsOf: (one) =>
      lint(one)
        .filter(({ level }) => level === 'error')
        .map(({ place, message }) => `${place}: ${message}`),
  }
}
