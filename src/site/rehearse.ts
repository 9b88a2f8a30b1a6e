import { systemClock } from '../host/clock.ts'
import type { Hash, Identity } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import { ceremonyId } from '../records/definition.ts'
import { readDefinition } from '../records/definition-yaml.ts'
import { type Rehearsal, rehearse } from '../rehearsal/rehearse.ts'
import { messageGiven } from './message-flags.ts'
import { rehearsalProps } from './rehearsal-props.ts'
import { signReport } from './rehearsal-report.ts'
import { reportSigner } from './signed-report.ts'

interface RehearsalWanted {
  /** YAML. */
  readonly definition: Uint8Array
  /** undefined: another one at each run. */
  readonly seed: string | undefined
  readonly faults: readonly string[]
  /** File with the bytes that the definition signs. */
  readonly message: string | undefined
  /** The folder of the home that signs a report; undefined: no report. */
  readonly home: string | undefined
  readonly passphrase: () => Promise<Secret>
  /** The site whose screen is asked for. */
  readonly as: string | undefined
}

/** A rehearsal as people and scripts see it. */
export interface RehearsalShown extends Omit<Rehearsal, 'begins'> {
  readonly ceremony: Hash
  readonly kind: string
  readonly name: string
  readonly protocol: string
  readonly threshold: number
  readonly sites: readonly string[]
  readonly seed: string
  readonly build: Hash
  readonly runtime: string
  /** UTC, on the fast clock. */
  readonly begins: string
  /** The identity that signed the report. */
  readonly signer: Identity | null
}

const utc = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

interface Run {
  readonly shown: RehearsalShown
  /** A DSSE envelope, and when it was signed. */
  readonly report: { readonly bytes: Uint8Array; readonly at: number } | undefined
}

/**
 * Rehearses a definition. Of this machine it takes the time, a seed and the hash of the build, and of a home the identity
 * that signs the report.
 */
export const runRehearsal = async (wanted: RehearsalWanted): Promise<Run> => {
  const definition = await readDefinition(wanted.definition)
  if (wanted.as !== undefined && !definition.sites.some((site) => site.name === wanted.as))
    throw new QuorateError('E_USAGE', '--as names no site of this definition', 'give one of its names')
  if (wanted.message !== undefined && !('message' in definition))
    throw new QuorateError('E_USAGE', '--message: this ceremony signs no message', 'leave it out')
  const signer = wanted.home === undefined ? undefined : await reportSigner(wanted.home, wanted.passphrase)
  const props = await rehearsalProps(wanted.seed)
  const message = await messageGiven({ message: wanted.message, messageHex: undefined })
  const rehearsal = await rehearse({ ...props, definition, message, faults: wanted.faults })
  const { seed, build, runtime } = props
  const { begins, ...played } = rehearsal
  const { kind, name, protocol, threshold, sites } = definition
  const facts = { ceremony: ceremonyId(definition), kind, name, protocol, seed, build, runtime }
  const at = systemClock.now()
  return {
    shown: {
      ...facts,
      ...played,
      threshold,
      sites: sites.map((site) => site.name),
      begins: utc(begins),
      signer: signer?.identity ?? null,
    },
    report: signer && { bytes: await signReport(signer, { ...facts, at }, rehearsal), at },
  }
}
