import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { QuorateError } from '../lib/errors.ts'
import type { Clock } from '../lib/ports.ts'
import type { Relay, RelayEvent, RelayTls } from '../transport/relay/server.ts'

/** Between two looks at the files: a certificate is renewed weeks before it ends. */
const LOOK = 60_000

const checked = (tls: RelayTls): RelayTls => {
  try {
    createSecureContext({ cert: tls.certificate, key: tls.key })
    // OpenSSL takes a key of another algorithm than the certificate's, and then no client gets in.
    if (new X509Certificate(tls.certificate).checkPrivateKey(createPrivateKey(tls.key))) return tls
  } catch (error) {
    throw wrong(error)
  }
  throw wrong()
}

const wrong = (cause?: unknown): QuorateError =>
  new QuorateError(
    'E_FILE',
    '--tls-certificate and --tls-key are not a certificate and its own key',
    'give both in PEM, the key without a passphrase',
    {},
    cause,
  )

/** Certificate and key as they are now. Throws E_FILE where they cannot be read, or do not belong together. */
export const readCertificate = async (read: () => Promise<RelayTls>): Promise<RelayTls> => checked(await read())

/**
 * Takes a renewed certificate and key into use until `signal`: newcomers get it, and nobody is cut. Files that are not both
 * good (they may be half written) leave the old ones in use, and that is said once.
 */
export const renewCertificate = async (
  relay: Relay,
  inUse: RelayTls,
  read: () => Promise<RelayTls>,
  onEvent: (event: RelayEvent) => void,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> => {
  let last = inUse
  let said: string | undefined
  const look = async (): Promise<void> => {
    try {
      const next = await readCertificate(read)
      said = undefined
      if (next.certificate === last.certificate && next.key === last.key) return
      relay.renew(next)
      last = next
      onEvent({ what: 'renewed' })
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      if (said !== error.message) onEvent({ what: 'not-renewed', reason: error.message })
      said = error.message
    }
  }
  while (!signal.aborted) {
    await clock.sleep(LOOK, signal).catch(() => {})
    if (!signal.aborted) await look()
  }
}
