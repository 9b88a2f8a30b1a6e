import { printable } from '../lib/printable.ts'

/** Longest reason kept: a TLS error quotes the other side's certificate. */
const REASON = 200

/** Why a relay is not reached, and who does what about it. */
interface RelayFault {
  /** One printable line. */
  readonly reason: string
  readonly hint: string
}

const UNKNOWN_CA = new Set([
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])
const NO_NAME = new Set(['EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME', 'ENOTFOUND'])

const HINTS = {
  name: 'check the name in the definition, and the name server of this machine',
  authority: 'give the PEM file of the authority that signed it with --relay-ca, or QUORATE_RELAY_CA',
  host: "the relay's operator: take a certificate for the name in the definition, or plan with the name that it has",
  time: "the relay's operator: renew the certificate; if it is in time, set the clock of this machine",
  other: 'check host and port in the definition: this is a web server and no relay, or a proxy before one',
  tls: 'check the port in the definition: a relay behind wss:// speaks TLS 1.3',
  none: 'start a relay of the definition (`quorate relay serve`), or check the network',
} as const

const kindOf = (code: string, message: string): keyof typeof HINTS => {
  if (NO_NAME.has(code)) return 'name'
  if (UNKNOWN_CA.has(code)) return 'authority'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') return 'host'
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'time'
  // Without a code of its own: whoever answers hangs up at the first message of TLS.
  if (/^(?:EPROTO|ERR_SSL_)/.test(code) || /before secure TLS connection/.test(message)) return 'tls'
  // Words of ws: it gives no code for an answer over HTTP that is no upgrade.
  if (/^Unexpected server response|^Invalid (?:Upgrade|Sec-WebSocket-Accept)|^Parse Error/.test(message)) return 'other'
  return 'none'
}

/** The fault behind an error of a WebSocket that did not open, or broke. */
export const relayFault = (error: Error): RelayFault => {
  const { code } = error as { code?: unknown }
  return {
    reason: printable(error.message).slice(0, REASON),
    hint: HINTS[kindOf(typeof code === 'string' ? code : '', error.message)],
  }
}
