import type { Socket } from 'node:net'
import { networkOf } from './network.ts'
import { Shares, type Stake } from './shares.ts'

interface Caller {
  readonly raw: Socket
  readonly name: string
}

const nameOf = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`

/** Connections that are not WebSockets yet, up to a limit: beyond it the oldest of the network that has most gives way. */
export class Doorway {
  readonly #limit: number
  readonly #shares = new Shares<Caller>()
  readonly #stakes = new Map<string, Stake<Caller>>()

  constructor(limit: number) {
    this.#limit = limit
  }

  enter(raw: Socket): void {
    const name = nameOf(raw)
    const stake = this.#shares.stake({ raw, name }, [networkOf(raw.remoteAddress ?? '')])
    this.#stakes.set(name, stake)
    raw.once('close', () => this.#leave(name))
    stake.add(1)
    this.#shares.reclaim(this.#limit, (one) => {
      one.raw.destroy()
      this.#leave(one.name)
    })
  }

  /** It is a WebSocket now; by its address, since TLS puts another socket in its place. */
  through(socket: Socket): void {
    this.#leave(nameOf(socket))
  }

  #leave(name: string): void {
    this.#stakes.get(name)?.end()
    this.#stakes.delete(name)
  }
}
