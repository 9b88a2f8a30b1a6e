import type { Trust } from '../audit/trust.ts'
import { openRoot } from '../host/disk.ts'
import { fromEnvelope } from '../identity/dsse.ts'
import { openHome } from '../identity/home.ts'
import { parseIdentity } from '../identity/identity.ts'
import type { IdentityKey } from '../identity/identity-key.ts'
import type { Identity } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import { type Codec, DecodeError } from '../records/codec.ts'
import { decodeEnvelope } from '../records/signed.ts'

/** Reports of rehearsals and drills, and heads of keys: who signs them, and whose are believed. */

/** The identity of a home, and nothing else of it: no log, no shard and no lock is opened. */
export const reportSigner = async (folder: string, passphrase: () => Promise<Secret>): Promise<IdentityKey> => {
  const disk = await openRoot(folder)
  try {
    const home = await openHome(disk)
    return await home.unlock(home.locked ? await passphrase() : undefined)
  } finally {
    await disk.close()
  }
}

interface Report {
  /** Its signer. */
  readonly identity: Identity
  /** Milliseconds since 1970, by the signer's clock. */
  readonly at: number
}

/** Where such a file comes from, and what else there is where a stranger signed it. */
interface Origin {
  readonly is: 'report' | 'head'
  readonly made: string
  readonly instead: string
}
const REPORTS: Origin = {
  is: 'report',
  made: 'quorate rehearse` or `quorate drill run',
  instead: 'another site can run the same and sign a report of its own',
}

/**
 * The report in an envelope, where somebody of the trust file signed it. Throws E_FILE where it is no such report, and
 * E_REFUSED where its signer is a stranger or was revoked before.
 */
export const openSigned = <T extends Report>(
  codec: Codec<T>,
  envelope: Uint8Array,
  trust: Trust,
  origin: Origin = REPORTS,
): T => {
  const report = opened(codec, envelope, origin)
  const revoked = trust.revoked(report.identity)
  if (revoked === null || (revoked !== undefined && report.at < revoked)) return report
  const why = revoked === undefined ? 'which the trust file does not name' : 'which was revoked by then'
  throw new QuorateError(
    'E_REFUSED',
    `the ${origin.is} is signed by ${report.identity}, ${why}`,
    `ask who that is; ${origin.instead}`,
    { identity: report.identity },
  )
}

const opened = <T extends Report>(codec: Codec<T>, envelope: Uint8Array, { is, made }: Origin): T => {
  try {
    const claimed = codec.decode(decodeEnvelope(envelope, codec.limit).payload)
    const signer = parseIdentity(claimed.identity)
    if (signer === undefined || signer.role === 'relay') throw new DecodeError(`${codec.type}: signed by no site`)
    return fromEnvelope(codec, envelope, [signer.key]).value
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new QuorateError(
      'E_FILE',
      `not such a ${is}: ${error.message}`,
      `name the file that \`${made}\` wrote`,
      {},
      error,
    )
  }
}
