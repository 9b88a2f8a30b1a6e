import type { EvidenceOf } from '../../audit/protocol-evidence.ts'
import { loadProtocols } from '../../mpc/registry.ts'
import { testSignatureMessage, testSignerSets } from '../../mpc/test-signature.ts'
import { DecodeError } from '../../records/codec.ts'
import { lint } from '../definition/lint.ts'
import { readSignedMessage, signedBy } from '../session/round-message.ts'
import { transcriptOf } from '../session/session.ts'
import { judgeBlame } from './judge.ts'
import { judgeContext } from './judge-context.ts'

/** What `audit verify` needs of sessions, lint and the protocol that a definition names. */
export const protocolEvidence: EvidenceOf = async (definition) => {
  const protocols = await loadProtocols(definition.protocol)
  const { id, rounds } = definition.kind === 'keygen' ? protocols.keygen : protocols.sign
  return {
    id,
    rounds: Object.fromEntries(Object.entries(rounds).map(([name, { to }]) => [name, to])),
    readSignedMessage,
    signedBy,
    transcriptOf,
    keygenPublic: (context, session, posts) => {
      const payloads = posts.filter(({ round }) => round === 'commitments').map(({ payload }) => payload)
      if (!payloads.every((one) => one !== undefined)) throw new DecodeError('a commitment is not here')
      return protocols.keygenPublic(context, session, payloads)
    },
    verifyPossession: protocols.verifyPossession,
    verifySignature: protocols.verifySignature,
    testMessage: testSignatureMessage,
    testSignerSets,
    judge: (blame, facts) => judgeBlame(blame, judgeContext({ ...facts, protocols })),
    faultsOf: (one) =>
      lint(one)
        .filter(({ level }) => level === 'error')
        .map(({ place, message }) => `${place}: ${message}`),
  }
}
