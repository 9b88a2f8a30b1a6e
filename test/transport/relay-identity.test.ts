import { createServer, type Server } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { makeCard } from '../../src/identity/card.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { identityOf } from '../../src/identity/identity.ts'
import { toBase64 } from '../../src/lib/bytes.ts'
import { readDefinition } from '../../src/records/definition-yaml.ts'
import { planNewKey } from '../../src/site/planning.ts'
import { challengeCodec, relayMessageCodec } from '../../src/transport/relay/protocol.ts'
import { askRelayIdentity } from '../../src/transport/relay-identity.ts'
import { memoryHome } from '../support/home.ts'
import { relayOn, relaySigner } from './relay-support.ts'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const end of open.splice(0).reverse()) await end()
})
/** Says this to everybody who connects, or nothing and leaves. */
const saying = async (text: string | undefined): Promise<string> => {
  const server: Server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => (text === undefined ? socket.close() : socket.send(text)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
  })
  const address = server.address()
  return `ws://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

describe('a plan', () => {
  test('pins the relay that answers, and takes the identity that is given', async () => {
    const relay = await relayOn()
    open.push(() => relay.close())
    const given = identityOf('relay', relaySigner().key)
    const cards = await Promise.all(
      ['eu', 'us', 'ap'].map(async (name) => {
        const { home } = await memoryHome(name)
        return makeCard(await home.unlock(), await home.card())
      }),
    )
    const relays = [relay.url, 'ws://127.0.0.1:1', `ws://127.0.0.1:2#${given}`]
    const flags = { name: 'treasury', opens: undefined, closes: undefined, approvers: [], relays, cards }
    const { yaml } = await planNewKey({ ...flags, protocol: 'frost-ed25519', threshold: 2 }, Date.now())
    const { relays: planned } = await readDefinition(yaml)
    expect(planned.map(({ identity }) => identity)).toEqual([relay.identity, null, given])
  })
})

describe('the relay that answers', () => {
  test('is known by the challenge that it signs', async () => {
    const relay = await relayOn()
    open.push(() => relay.close())
    expect(await askRelayIdentity(relay.url)).toBe(relay.identity)
  })

  test('is none where nobody signs one', async () => {
    const [relay, other] = [relaySigner(), relaySigner()]
    const asked = { relay: identityOf('relay', relay.key), nonce: '00'.repeat(32), exporter: false }
    const said = async (signer: typeof relay) =>
      Buffer.from(
        relayMessageCodec.encode({
          what: 'challenge',
          challenge: toBase64(toEnvelope(await signer.sign(challengeCodec, asked))),
        }),
      ).toString()
    expect(await askRelayIdentity(await saying(await said(relay)))).toBe(asked.relay)
    expect(await askRelayIdentity(await saying(await said(other)))).toBeUndefined()
    expect(await askRelayIdentity(await saying('hello'))).toBeUndefined()
    expect(await askRelayIdentity(await saying(undefined))).toBeUndefined()
    for (const url of ['ws://127.0.0.1:1', 'ws://relay.example', 'not a URL'])
      expect([url, await askRelayIdentity(url)]).toEqual([url, undefined])
  })
})
