import { peerMessageCodec } from '../src/ceremony/peers/peer-message.ts'
import { readSignedMessage } from '../src/ceremony/session/round-message.ts'
import { SecureLink } from '../src/transport/secure-link.ts'
import { keygenTraffic } from '../test/support/traffic.ts'
import type { Traffic, Wanted } from './measure.ts'

/** Bytes that the sites of a key generation send each other, by round and by kind of message, before they are sealed. */

const SITES = [3, 9, 16, 32]
const counted = new Map<string, number>()
const add = (kind: string, bytes: number): void => {
  counted.set(kind, (counted.get(kind) ?? 0) + bytes)
}

const kindOf = (topic: string, bytes: Uint8Array): string => {
  try {
    const message = peerMessageCodec.decode(bytes)
    return message.is === 'object' ? message.name : message.is
  } catch {
    const { round, session } = readSignedMessage(bytes)
    return Buffer.from(session).toString('hex') === topic ? `round ${round}` : `test signature ${round}`
  }
}

const { send } = SecureLink.prototype

export default async (wanted: Wanted): Promise<Traffic[]> => {
  const measured: Traffic[] = []
  for (const sites of SITES) {
    if (!wanted(`traffic/${sites}/`)) continue
    counted.clear()
    SecureLink.prototype.send = function (topic, message) {
      add(kindOf(topic, message), message.length)
      return send.call(this, topic, message)
    }
    const { frames, notes, bundle } = await keygenTraffic(sites)
    SecureLink.prototype.send = send
    const rows = [...counted].sort(([, a], [, b]) => b - a)
    for (const [kind, bytes] of [
      ['all frames', frames],
      ['all notes', notes],
      ['one bundle', bundle],
      ...rows,
    ] as const)
      measured.push({ name: `traffic/${sites}/${kind}`, bytes })
  }
  return measured
}
