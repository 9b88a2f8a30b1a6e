import { open } from 'node:fs/promises'
import { readBundle } from '../audit/bundle.ts'
import type { Source } from '../audit/tar.ts'
import { parseTrust } from '../audit/trust.ts'
import { type VerifyReport, verifyBundle } from '../audit/verify.ts'
import { protocolEvidence } from '../ceremony/blame/verify-evidence.ts'
import { QuorateError } from '../lib/errors.ts'
import { recordKind } from '../records/definition.ts'

interface VerifyWanted {
  readonly bundle: string
  /** Text of a trust file. */
  readonly trust: string | undefined
  readonly trustStated: boolean
  /** Milliseconds since 1970. */
  readonly at: number | undefined
  readonly require: readonly string[]
  readonly message: Uint8Array | undefined
}

/** A file as a source of bytes that are read where they are wanted: bundles may be larger than memory. */
export const withFile = async <T>(path: string, work: (source: Source) => Promise<T>): Promise<T> => {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    return await work({
      size,
      async read(at, length) {
        const bytes = new Uint8Array(length)
        let done = 0
        while (done < length) {
          const { bytesRead } = await handle.read(bytes, done, length - done, at + done)
          if (bytesRead === 0) throw new RangeError('the file ends early')
          done += bytesRead
        }
        return bytes
      },
    })
  } finally {
    await handle.close()
  }
}

/** Offline: one file in, one verdict out. Throws E_BUNDLE where the file is no bundle at all, E_TRUST_FILE. */
export const verifyFile = (wanted: VerifyWanted): Promise<VerifyReport> =>
  withFile(wanted.bundle, async (source) => {
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
