import type { Index, Party } from '../../lib/brand.ts'
import { oneMessage } from '../evidence.ts'
import {
  aggregate,
  type Commitment,
  commit,
  failedSignatureShare,
  type NonceCommitments,
  openCommitment,
  prepare,
  signatureShare,
  signRounds,
} from '../frost/sign.ts'
import { loadSuite, suiteOf } from '../frost/suite.ts'
import { verifySignature } from '../frost/verify.ts'
import type { Scalar } from '../group/group.ts'
import type { Protocol, Round } from '../mailbox.ts'
import type { SignContext, SignInput, SignOutput } from '../scheme.ts'
import { toyFacts } from './facts.ts'

type ToyRounds = {
  readonly questions: Round<NonceCommitments, 'all'>
  readonly answers: Round<Uint8Array, 'all'>
}

const ID = 'frost-ed25519'

/** FROST's signature under other names, judged by the answers alone. */
export const toySign = (): Protocol<ToyRounds, SignContext, SignInput, SignOutput> => {
  const { commitments, shares } = signRounds(ID)
  const rounds: ToyRounds = { questions: commitments, answers: shares }
  return {
    ...toyFacts.sign,
    rounds,

    async run(box, input, { random }) {
      const suite = await loadSuite(ID)
      const { field } = suite.group
      const indexOf = (party: Party): Index => input.indices[party - 1] as Index
      const own = { index: indexOf(box.self), ...commit(suite, indexOf(box.self), input.share.reveal(), random) }
      const asked = await box.broadcast('questions', own.commitment.bytes)
      const list = [...asked].map(
        ([party, bytes]) => openCommitment(suite, indexOf(party), bytes as NonceCommitments) as Commitment,
      )
      const signing = prepare(suite, input.publicKey, list, input.message, own)
      if (typeof signing === 'string') throw new Error(signing)
      const share = field.decode(input.share.reveal()) as Scalar
      const answers = await box.broadcast(
        'answers',
        field.encode(signatureShare(suite, signing, own.index, own.nonces, share)),
      )
      for (const peer of box.peers) {
        const verifyingShare = input.verifyingShares[indexOf(peer) - 1] as Uint8Array
        const answer = answers.get(peer) as Uint8Array
        if (failedSignatureShare(suite, signing, indexOf(peer), verifyingShare, answer) !== undefined)
          return box.blame(peer, 'answer', ['questions', 'answers'])
      }
      const scalars = [...answers.values()].map((bytes) => field.decode(bytes as Uint8Array) as Scalar)
      const signature = aggregate(suite, signing, scalars)
      if (!verifySignature(ID, input.publicKey, input.message, signature)) throw new Error('no signature')
      return { signature }
    },

    judge(claim) {
      const { context } = claim
      if (context.message === undefined) return 'undecidable'
      const index = context.indices[claim.accused - 1] as Index
      const answer = oneMessage(claim, 'answers', claim.accused, rounds.answers.codec)
      const list = context.indices.map((signer, at) => {
        const question = oneMessage(claim, 'questions', (at + 1) as Party, rounds.questions.codec)
        return question && openCommitment(suiteOf(ID), signer, question.value)
      })
      if (answer === undefined || list.some((one) => one === undefined || typeof one === 'string')) return 'refuted'
      const signing = prepare(suiteOf(ID), context.publicKey, list as Commitment[], context.message)
      if (typeof signing === 'string') return 'refuted'
      const verifyingShare = context.verifyingShares[index - 1] as Uint8Array
      const failed = failedSignatureShare(suiteOf(ID), signing, index, verifyingShare, answer.value)
      return failed !== undefined && claim.check === 'answer' ? 'proven' : 'refuted'
    },
  }
}
