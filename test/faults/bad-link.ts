import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import WebSocket, { WebSocketServer } from 'ws'
import { relayMessageCodec } from '../../src/transport/relay/protocol.ts'

/** How the link treats what passes. Text (admission and notes) is never lost, as it would not be over TCP. */
export interface LinkConditions {
  /** Shortest and longest, in milliseconds, each way; what is delayed may be overtaken. */
  readonly delay: readonly [number, number]
  /** Share of members' frames lost, each way. */
  readonly loss: number
  /** Share of members' frames that come twice, each way. */
  readonly twice: number
}

export interface BadLink {
  readonly url: string
  readonly lost: number
  set(conditions: Partial<LinkConditions>): void
  /** Nothing of these members passes, either way, until it heals: then what waited does. */
  cut(names: readonly string[]): void
  heal(): void
  close(): Promise<void>
}

const nameIn = (text: Uint8Array): string | undefined => {
  const said = relayMessageCodec.decode(new Uint8Array(text))
  return said.what === 'enter' ? said.name : undefined
}

/** Stands between members and a relay, at an address of its own. `random` from 0 to 1. */
export const startBadLink = async (relay: string, random: () => number): Promise<BadLink> => {
  let conditions: LinkConditions = { delay: [0, 0], loss: 0, twice: 0 }
  let cut: ReadonlySet<string> = new Set()
  let lost = 0
  const held: (() => void)[] = []
  const server = createServer()
  const sockets = new WebSocketServer({ server, perMessageDeflate: false })
  sockets.on('connection', (member, { url = '' }) => {
    const seat = new WebSocket(relay + url, { perMessageDeflate: false })
    let name: string | undefined
    const opened = new Promise<void>((resolve) => seat.once('open', () => resolve()))
    const send = (to: WebSocket, data: Buffer, binary: boolean): void => {
      const pass = (): void => {
        if (to.readyState === WebSocket.OPEN) to.send(data, { binary })
      }
      if (name !== undefined && cut.has(name)) held.push(pass)
      else pass()
    }
    const later = async (to: WebSocket, data: Buffer, binary: boolean, before?: Promise<void>): Promise<void> => {
      const [least, most] = conditions.delay
      await new Promise((resolve) => setTimeout(resolve, least + random() * (most - least)))
      await before
      send(to, data, binary)
    }
    /** Text keeps its order, as its connection would keep it. */
    const take = (to: WebSocket, open: Promise<void>) => {
      let text = open
      return (data: WebSocket.RawData, binary: boolean): void => {
        const bytes = data as Buffer
        if (!binary) {
          if (to === seat) name ??= nameIn(bytes)
          text = later(to, bytes, binary, text)
          return
        }
        if (random() < conditions.loss) {
          lost += 1
          return
        }
        void later(to, bytes, binary, open)
        if (random() < conditions.twice) void later(to, bytes, binary, open)
      }
    }
    member.on('message', take(seat, opened))
    seat.on('message', take(member, Promise.resolve()))
    member.on('error', () => seat.terminate())
    seat.on('error', () => member.terminate())
    member.on('close', () => seat.terminate())
    seat.on('close', () => member.terminate())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get lost() {
      return lost
    },
    set(changes) {
      conditions = { ...conditions, ...changes }
    },
    cut(names) {
      cut = new Set(names)
    },
    heal() {
      cut = new Set()
      for (const pass of held.splice(0)) pass()
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets.clients) socket.terminate()
        sockets.close()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
