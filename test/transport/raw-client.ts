import { TLSSocket } from 'node:tls'
import WebSocket, { type ClientOptions } from 'ws'
import { fromEnvelope, toEnvelope } from '../../src/identity/dsse.ts'
import { parseIdentity } from '../../src/identity/identity.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { fromBase64, fromUtf8, toBase64, toHex } from '../../src/lib/bytes.ts'
import { decodeEnvelope } from '../../src/records/signed.ts'
import {
  type Answer,
  answerCodec,
  type Challenge,
  challengeCodec,
  EXPORTER_LABEL,
  type RelayMessage,
  relayMessageCodec,
} from '../../src/transport/relay/protocol.ts'
import { type Member, roomName, sortMembers } from '../../src/transport/relay/room.ts'
import type { Person } from './relay-support.ts'
import { AUTHORITY, until } from './support.ts'

/** A client of a relay that does whatever a test says. */
export interface RawClient {
  readonly socket: WebSocket
  readonly messages: RelayMessage[]
  readonly frames: Uint8Array[]
  readonly closed: Promise<number>
  challenge(): Promise<Challenge>
  exporter(): Hash | null
  say(message: RelayMessage): void
  /** Answers the challenge as `self`, with whatever is changed. */
  enter(
    self: Person,
    changes?: { answer?: Partial<Answer>; enter?: Partial<Extract<RelayMessage, { what: 'enter' }>> },
  ): Promise<void>
  /** The relay's verdict. */
  verdict(): Promise<string>
}

export const rawClient = async (
  url: string,
  members: readonly Member[],
  options: ClientOptions = {},
  room: string = roomName(AUTHORITY, members),
): Promise<RawClient> => {
  const socket = new WebSocket(`${url}/${room}`, { perMessageDeflate: false, ...options })
  const messages: RelayMessage[] = []
  const frames: Uint8Array[] = []
  let tls: TLSSocket | undefined
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  socket.on('upgrade', (response) => {
    if (response.socket instanceof TLSSocket) tls = response.socket
  })
  socket.on('message', (data, isBinary) => {
    const bytes = new Uint8Array(data as Buffer)
    if (isBinary) frames.push(bytes)
    else messages.push(relayMessageCodec.decode(bytes))
  })
  await new Promise<void>((resolve, reject) => {
    socket.on('open', () => resolve())
    socket.on('error', reject)
  })
  const exporter = (): Hash | null =>
    tls === undefined ? null : (toHex(tls.exportKeyingMaterial(32, EXPORTER_LABEL, Buffer.alloc(0))) as Hash)
  const say = (message: RelayMessage): void => socket.send(fromUtf8(relayMessageCodec.encode(message)))
  const challenge = async (): Promise<Challenge> => {
    await until(() => messages[0]?.what === 'challenge')
    const first = messages[0]
    if (first?.what !== 'challenge') throw new Error('no challenge')
    const envelope = fromBase64(first.challenge)
    const claimed = challengeCodec.decode(decodeEnvelope(envelope, challengeCodec.limit).payload)
    const key = parseIdentity(claimed.relay)?.key
    if (key === undefined) throw new Error('no relay')
    return fromEnvelope(challengeCodec, envelope, [key]).value
  }
  return {
    socket,
    messages,
    frames,
    closed,
    challenge,
    exporter,
    say,
    enter: async (self, changes = {}) => {
      const { relay, nonce, exporter: bound } = await challenge()
      const answer = await self.noteSigner.sign(answerCodec, {
        room: room as Hash,
        relay,
        nonce,
        exporter: bound ? exporter() : null,
        identity: self.member.identity,
        ...changes.answer,
      })
      say({
        what: 'enter',
        authority: AUTHORITY,
        members: sortMembers(members),
        name: self.member.name,
        certificate: toBase64(self.noteCertificate),
        answer: toBase64(toEnvelope(answer)),
        ...changes.enter,
      })
    },
    verdict: async () => {
      await until(() => messages.some(({ what }) => what === 'admitted' || what === 'refused'))
      const found = messages.find(({ what }) => what === 'admitted' || what === 'refused')
      return found?.what === 'refused' ? found.reason : (found?.what ?? '')
    },
  }
}
