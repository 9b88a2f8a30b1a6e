import { fromHex, toHex } from '../../lib/bytes.ts'
import { hashOf } from '../../lib/hash.ts'
import { recordKind, sharesIn } from '../../records/definition.ts'
import { messageHash, type SignDefinition } from '../../records/kinds/sign.ts'
import { signatureIn } from '../../records/outcome.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import type { MadeSignature } from '../ceremony-result.ts'
import { accuses, type Check, type Finding, fails, failsUnlessMissing, holds, names, open } from '../check.ts'
import { resultOf } from '../kinds/index.ts'
import { postsOfTranscript } from '../transcripts.ts'
import { answersFor, faulty } from './faults.ts'

const made = (facts: BundleFacts): (MadeSignature & { readonly definition: SignDefinition }) | undefined => {
  const found = resultOf(facts)
  return found?.makes === 'signature' && 'message' in facts.definition
    ? { ...found, definition: facts.definition }
    : undefined
}

const makesSignature = ({ definition }: BundleFacts): boolean => recordKind(definition).makes === 'signature'

const valid = (facts: BundleFacts): Finding | undefined => {
  const signature = made(facts)
  if (signature === undefined) return undefined
  const { result } = signature
  const inputs = [result.message]
  if (facts.message === undefined)
    return open('the message is not here: give the file that the definition names', inputs)
  return facts.evidence.verifySignature(fromHex(result.publicKey), facts.message, fromHex(result.signature))
    ? holds('the signature verifies under the key, over the message of the definition', inputs)
    : fails('the signature does not verify', inputs)
}

const message = (facts: BundleFacts): Finding | undefined => {
  const signature = made(facts)
  if (signature === undefined) return undefined
  const hash = messageHash(signature.definition.message)
  return signature.result.message === hash
    ? holds('what was signed is what the definition names', [hash])
    : fails('what was signed is not what the definition names', [hash, signature.result.message])
}

const keyed = (facts: BundleFacts): Finding | undefined => {
  const signature = made(facts)
  if (signature === undefined) return undefined
  const { definition, result, outcome, outcomeHash, attempt } = signature
  if (outcome === undefined || outcomeHash === undefined)
    return failsUnlessMissing(facts, ['record', 'outcome'], 'the epoch that signed is not in any log', [result.base])
  const inputs = [definition.key, result.base]
  // The record of a later epoch is the one that people approved; that it is one of this key, its own bundle shows.
  const known = outcome.base === null ? outcomeHash === definition.key : result.base === definition.base
  if (!known) return fails('signed with another key than the definition names', inputs)
  if (attempt.value.base !== result.base) return fails('signed with another epoch than the attempt names', inputs)
  const fits =
    outcome.publicKey === result.publicKey &&
    outcome.protocol === definition.protocol &&
    outcome.threshold === definition.threshold &&
    outcome.verifyingShares.length === sharesIn(definition)
  return fits
    ? holds('signed with the key that the definition names', inputs)
    : fails('the key that the definition names is not of its protocol, threshold or public key', inputs)
}

const stated = (facts: BundleFacts): Finding | undefined => {
  const signature = made(facts)
  if (signature === undefined) return undefined
  const inputs = facts.results.map(({ object }) => object)
  const { result } = signature
  const differ = facts.results.filter(({ value }) => signatureIn(value) !== signatureIn(result))
  if (differ.length > 0) {
    const who = differ.map(({ site }) => site)
    return accuses(facts, who, `${names(who)} states another signature than what was made`, inputs)
  }
  const others = facts.results.filter(
    ({ value: { transcript } }) => transcript !== null && transcript !== result.transcript,
  )
  if (others.length > 0) {
    const { transcript } = result
    const given = transcript !== null && postsOfTranscript(facts, signature.attempt.hash, transcript) !== undefined
    const who = names(others.map(({ site }) => site))
    return open(
      given
        ? `${who} states it with another transcript than the messages give`
        : 'sites state it with different transcripts, and the messages here give none of them',
      inputs,
    )
  }
  const signers = signature.attempt.value.participants.map(({ site }) => site)
  const silent = signers.filter((site) => !signature.stated.includes(site))
  return silent.length === 0
    ? holds(`signed by ${names(signers)}; each states the same signature`, inputs)
    : open(`signed by ${names(signers)}; not stated by ${names(silent)}`, inputs)
}

const output = async (facts: BundleFacts): Promise<Finding | undefined> => {
  if (!makesSignature(facts)) return undefined
  if (facts.givenAnother)
    return fails(
      'message' in facts.definition && facts.definition.message.form === 'digest'
        ? 'the digest that was signed is not the SHA-256 of the file that was given'
        : 'the file that was given is not the message that the definition names',
    )
  const signature = made(facts)
  const shown = await facts.bundle.output('signature')
  const file = await facts.bundle.output('message')
  if (file !== undefined && (facts.message === undefined || hashOf(file) !== hashOf(facts.message)))
    return fails('the message shown is not that of the definition')
  if (shown === undefined)
    return signature === undefined
      ? holds('no signature was made, and none is shown')
      : open('the signature is not among the outputs')
  return signature !== undefined && toHex(shown) === signature.result.signature
    ? holds('the signature shown is the one that the sites state')
    : failsUnlessMissing(
        facts,
        ['result', 'attempt', 'attempt-signature'],
        'the signature shown is not one that the sites state',
      )
}

export const signatureChecks = [
  { id: 'signature.valid', needs: 'result', run: valid },
  { id: 'signature.stated', needs: 'result', run: stated },
  { id: 'signature.message', needs: 'result', run: message },
  { id: 'signature.key', needs: 'result', run: keyed },
  { id: 'signature.output', run: output },
  {
    id: 'signature.records',
    needs: 'statements',
    run: (facts) =>
      faulty(
        facts,
        answersFor(facts.definition, 'signature.records'),
        'every statement of the signature is its site’s own',
      ),
  },
] as const satisfies readonly Check[]
