import { readBundle } from '../audit/bundle.ts'
import { parseTrust } from '../audit/trust.ts'
import { type VerifyReport, verifyBundle } from '../audit/verify.ts'
import { protocolEvidence } from '../ceremony/blame/verify-evidence.ts'
import { QuorateError } from '../lib/errors.ts'
import { recordKind } from '../records/definition.ts'
import { type BundleInput, withSource } from './bundle-source.ts'

interface VerifyWanted {
  readonly bundle: BundleInput
  /** Text of a trust file. */
  readonly trust: string | undefined
  readonly trustStated: boolean
  /** Milliseconds since 1970. */
  readonly at: number | undefined
  readonly require: readonly string[]
  readonly message: Uint8Array | undefined
}

/** Offline: one file in, one verdict out. Throws E_BUNDLE where it is no bundle at all, E_FILE, E_TRUST_FILE. */
export const verifyFile = (wanted: VerifyWanted): Promise<VerifyReport> =>
  withSource(wanted.bundle, async (source) => {
    const bundle = await readBundle(source)
    if (wanted.message !== undefined && recordKind(bundle.definition).makes !== 'signature')
      throw new QuorateError(
        'E_USAGE',
        `--message is given, and a ${bundle.definition.kind} signs nothing`,
        'give the bundle of the signature, or leave --message out',
      )
    return verifyBundle(bundle, {
      trust: wanted.trust !== undefined ? parseTrust(wanted.trust) : wanted.trustStated ? 'stated' : undefined,
      require: wanted.require,
      evidence: protocolEvidence,
      ...(wanted.at === undefined ? {} : { at: wanted.at }),
      ...(wanted.message === undefined ? {} : { message: wanted.message }),
    })
  })
