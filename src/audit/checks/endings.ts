import { parseIdentity } from '../../identity/identity.ts'
import type { Hash } from '../../lib/brand.ts'
import { hashOf } from '../../lib/hash.ts'
import { DecodeError } from '../../records/codec.ts'
import type { Blame, Verdict } from '../../records/round.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import { accuses, type Check, type Finding, fails, holds, names, open } from '../check.ts'
import { openSigstore } from '../sigstore.ts'
import { isStarted } from './attempts.ts'
import { eventsOf, faulty } from './faults.ts'

const verdictOn = (facts: BundleFacts, blame: Blame): Verdict => {
  const named = facts.attempts.get(blame.attempt)
  const attempt = named !== undefined && isStarted(named) ? named.value : undefined
  const { definition, outcomes, records, message, evidence } = facts
  return evidence.judge(blame, { definition, attempt, outcomes, records, message })
}

const proven = (facts: BundleFacts): Finding | undefined => {
  const { blames } = facts
  if (blames.length === 0) return undefined
  const inputs = blames.map(({ object }) => object)
  const judged = blames.map((one) => ({ ...one, verdict: verdictOn(facts, one.value) }))
  const said = (verdict: Verdict): string =>
    names(judged.filter((one) => one.verdict === verdict).map(({ value }) => `${value.accused} (${value.check})`))
  const refuted = judged.filter(({ verdict }) => verdict === 'refuted')
  if (refuted.length > 0) {
    const by = refuted.flatMap(({ object }) => facts.namedBy(['evidence'], object))
    return accuses(facts, by, `${names(by)} logged blame that its messages do not prove: ${said('refuted')}`, inputs)
  }
  if (said('undecidable') !== '')
    return open(`blame that rests on what is not here, and accuses nobody: ${said('undecidable')}`, inputs)
  const accused = [...new Set(blames.map(({ value }) => value.accused))]
  return { ...holds(`judged again and proven: ${said('proven')}`, inputs), accused }
}

/** Names the sites that left, and says if the ceremony could go on without them; people read why in the log. */
const left = (facts: BundleFacts): Finding | undefined => {
  if (facts.aborts.length === 0) return undefined
  const who = facts.aborts.map(
    ({ value }) =>
      facts.roster.find(({ identity }) => identity === value.identity)?.name ?? value.identity.slice(0, 16),
  )
  return holds(
    `left the ceremony, by their own signed word: ${names(who)}`,
    facts.aborts.map(({ object }) => object),
  )
}

const signed = ({ bundle, roster, logs }: BundleFacts): Finding => {
  const inputs: readonly Hash[] = [hashOf(bundle.manifestBytes)]
  for (const [site, bytes] of bundle.signatures) {
    const key = parseIdentity(roster.find(({ name }) => name === site)?.identity ?? '')?.key
    try {
      if (key === undefined) throw new DecodeError('no such site')
      openSigstore(bytes, bundle.manifestBytes, key)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return fails(`the manifest signature of ${site} does not hold: ${error.message}`, inputs)
    }
  }
  const absent = [...logs.keys()].filter((site) => !bundle.signatures.has(site))
  if (absent.length > 0) return open(`manifest not signed by ${names(absent)}`, inputs)
  return holds(`every file is the one that was signed, by ${names(bundle.signatures.keys())}`, inputs)
}

const attested = ({ definition }: BundleFacts): Finding | undefined => {
  const wanted = definition.sites.filter(({ measurement }) => measurement !== null).map(({ name }) => name)
  return wanted.length === 0 ? undefined : open(`no evidence of what ran at ${names(wanted)}`)
}

export const blameChecks = [
  { id: 'blame.proven', needs: 'claims', run: proven },
  { id: 'blame.left', needs: 'aborts', run: left },
  {
    id: 'blame.records',
    needs: 'endings',
    run: (facts) =>
      facts.blames.length +
        facts.aborts.length +
        facts.faults.filter((f) => f.what === 'abort' || f.what === 'evidence').length ===
      0
        ? undefined
        : faulty(facts, eventsOf('blame.records'), 'every proof of blame and every abort decodes'),
  },
] as const satisfies readonly Check[]

export const endingChecks = [
  { id: 'manifest.signed', completes: true, run: signed },
  { id: 'attestation.measured', needs: 'measurements', run: attested },
] as const satisfies readonly Check[]
