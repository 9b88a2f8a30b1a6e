import WebSocket from 'ws'
import type { Identity } from '../lib/brand.ts'
import { fromBase64 } from '../lib/bytes.ts'
import { openChallenge, relayMessageCodec, TEXT_LIMIT } from './relay/protocol.ts'
import { relayUrlFault } from './relay-client.ts'

const WAIT = 3000
/** A relay says who it is before it asks for a room that there is. */
const NO_ROOM = '0'.repeat(64)

/**
 * The identity of the relay that answers at `url` (`ca`: PEM of the authority behind its certificate), by the challenge that it signs; undefined where nobody answers in time, who
 * answers offers no admission, or the URL is not one that a site would dial.
 */
export const askRelayIdentity = async (url: string, ca?: string): Promise<Identity | undefined> => {
  if (relayUrlFault(url) !== undefined) return undefined
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace(/\/$/, '')}/${NO_ROOM}`, {
      perMessageDeflate: false,
      handshakeTimeout: WAIT,
      maxPayload: TEXT_LIMIT,
      minVersion: 'TLSv1.3',
      ...(ca === undefined ? {} : { ca }),
    })
    const timer = setTimeout(() => socket.terminate(), WAIT)
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(undefined)
    })
    socket.on('message', (data) => {
      resolve(identityIn(new Uint8Array(data as Buffer)))
      socket.terminate()
    })
  })
}

const identityIn = (bytes: Uint8Array): Identity | undefined => {
  try {
    const message = relayMessageCodec.decode(bytes)
    return message.what === 'challenge' ? openChallenge(fromBase64(message.challenge)).relay : undefined
  } catch {
    return undefined
  }
}
