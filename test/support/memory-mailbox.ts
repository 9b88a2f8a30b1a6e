import type { Hash, Party } from '../../src/lib/brand.ts'
import { equal, fromHex, toHex, u32, utf8 } from '../../src/lib/bytes.ts'
import { hashOf, tupleHash } from '../../src/lib/hash.ts'
import type { Claim, JudgedMessage, Mailbox, Protocol, Rounds, Tools } from '../../src/mpc/mailbox.ts'

/** One message on its way: what a liar may replace. `to` is 0 before a broadcast is copied, the receiver afterwards. */
export interface Outgoing {
  readonly session: Hash
  readonly round: string
  readonly from: Party
  readonly to: number
  readonly payload: Uint8Array
}

/** What a liar sends instead; undefined leaves the message as it is. */
export type Tamper = (message: Outgoing) => Uint8Array | undefined

/** Thrown by `blame`, with the evidence that a judge would get. */
export class MemoryBlame extends Error {
  override readonly name = 'MemoryBlame'
  readonly accuser: Party
  readonly session: Hash
  readonly check: string
  readonly accused: Party
  readonly messages: readonly JudgedMessage[]
  constructor(accuser: Party, session: Hash, check: string, accused: Party, messages: readonly JudgedMessage[]) {
    super(`party ${accuser} blames party ${accused}: ${check}`)
    this.accuser = accuser
    this.session = session
    this.check = check
    this.accused = accused
    this.messages = messages
  }

  claim<C>(context: C): Claim<C> {
    return { session: this.session, check: this.check, accused: this.accused, messages: this.messages, context }
  }
}

/** Thrown at the others once one party of a network has failed. */
export class MemoryStopped extends Error {
  override readonly name = 'MemoryStopped'
}

/** Messages between parties of one process; delivery is in order and never fails. */
export class MemoryNetwork {
  readonly parties: readonly Party[]
  readonly tamper: Tamper
  readonly #sent: Outgoing[] = []
  readonly #waiting = new Set<() => void>()
  #stopped: Error | undefined

  constructor(parties: number, tamper: Tamper = () => undefined) {
    this.parties = Array.from({ length: parties }, (_, at) => (at + 1) as Party)
    this.tamper = tamper
  }

  /** Everything that was sent, as it was sent. */
  get sent(): readonly Outgoing[] {
    return this.#sent
  }

  /** Each broadcast of these rounds once, as a stranger reads them. */
  broadcasts(rounds: Rounds): readonly JudgedMessage[] {
    const places = new Map<string, JudgedMessage>()
    for (const { round, from, payload } of this.#sent)
      if (rounds[round]?.to === 'all') places.set(`${round} ${from}`, { round, from, to: 0, payload })
    return [...places.values()]
  }

  stop(): void {
    this.#stopped = new MemoryStopped()
    this.#wake()
  }

  mailbox<R extends Rounds>(self: Party, rounds: R, session: Hash): Mailbox<R> {
    return this.#open(self, this.parties, rounds, session)
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  #send(message: Outgoing): void {
    this.#sent.push({ ...message, payload: this.tamper(message) ?? message.payload })
    this.#wake()
  }

  async #received(session: Hash, round: string, from: Party, to: Party): Promise<Uint8Array> {
    for (;;) {
      const message = this.#sent.find(
        (one) => one.session === session && one.round === round && one.from === from && one.to === to,
      )
      if (message !== undefined) return message.payload
      if (this.#stopped !== undefined) throw this.#stopped
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  #open<R extends Rounds>(self: Party, parties: readonly Party[], rounds: R, session: Hash): Mailbox<R> {
    const places = parties.map((_, at) => (at + 1) as Party)
    const me = (parties.indexOf(self) + 1) as Party
    const peers = places.filter((place) => place !== me)
    const collect = async (round: string): Promise<Map<Party, Uint8Array>> => {
      const got = new Map<Party, Uint8Array>()
      for (const peer of peers) got.set(peer, await this.#received(session, round, peer, me))
      return got
    }
    const decoded = async (round: string): Promise<Map<Party, never>> => {
      const got = await collect(round)
      const codec = rounds[round]?.codec
      return new Map([...got].map(([peer, payload]) => [peer, codec?.decode(payload) as never]))
    }
    const evidence = (accused: Party, names: readonly string[]): JudgedMessage[] =>
      this.#sent
        .filter((one) => one.session === session && names.includes(one.round) && one.to === me)
        .filter((one) => one.from === accused || rounds[one.round]?.to === 'all')
        .map((one) => ({ ...one, to: rounds[one.round]?.to === 'all' ? 0 : one.to }))
    const ownBroadcasts = (names: readonly string[]): JudgedMessage[] =>
      names
        .map((name) => this.#sent.find((one) => one.session === session && one.round === name && one.from === me))
        .filter((one) => one !== undefined && rounds[one.round]?.to === 'all')
        .map((one) => ({ ...(one as Outgoing), to: 0 }))
    return {
      self: me,
      peers,
      session,
      broadcast: async (round, own) => {
        const payload = rounds[round]?.codec.encode(own) as Uint8Array
        for (const peer of peers) this.#send({ session, round, from: me, to: peer, payload })
        const got = await decoded(round)
        return new Map<Party, typeof own>([...got, [me, own]])
      },
      scatter: async (round, to) => {
        for (const peer of peers) {
          const payload = rounds[round]?.codec.encode(to(peer)) as Uint8Array
          this.#send({ session, round, from: me, to: peer, payload })
        }
        return decoded(round)
      },
      confirm: async (round) => {
        const privates = Object.keys(rounds).filter((name) => rounds[name]?.to === 'each')
        const between = (a: Party, b: Party): Uint8Array =>
          tupleHash(
            'confirm',
            ...this.#sent
              .filter((one) => one.session === session && privates.includes(one.round))
              .filter((one) => (one.from === a && one.to === b) || (one.from === b && one.to === a))
              .sort((x, y) => x.from - y.from)
              .map((one) => one.payload),
          )
        for (const peer of peers) this.#send({ session, round, from: me, to: peer, payload: between(me, peer) })
        for (const [peer, payload] of await collect(round))
          if (!equal(payload, between(peer, me))) throw new Error('private messages differ')
      },
      within: ({ id: protocol, rounds: innerRounds }, label, inner) => {
        const id = toHex(
          tupleHash('within', fromHex(session), utf8(protocol), utf8(label), ...inner.map((party) => u32(party))),
        ) as Hash
        return this.#open(
          self,
          inner.map((place) => parties[place - 1] as Party),
          innerRounds,
          id,
        )
      },
      blame: (who, check, names) => {
        throw new MemoryBlame(me, session, check, who, [...ownBroadcasts(names), ...evidence(who, names)])
      },
    }
  }
}

export type Ended<T> = { readonly value: T } | { readonly error: unknown }

/** Runs one protocol at all its parties at once; the first that fails stops the others. */
export const runAll = async <R extends Rounds, C, I extends C, O>(
  protocol: Protocol<R, C, I, O>,
  inputs: readonly I[],
  options: { readonly session?: Hash; readonly tamper?: Tamper; readonly tools: (party: Party) => Tools },
): Promise<{ readonly network: MemoryNetwork; readonly ended: readonly Ended<O>[] }> => {
  const network = new MemoryNetwork(inputs.length, options.tamper)
  const session = options.session ?? hashOf(utf8('session'))
  const ended = await Promise.all(
    inputs.map(async (input, at): Promise<Ended<O>> => {
      const party = (at + 1) as Party
      try {
        return {
          value: await protocol.run(network.mailbox(party, protocol.rounds, session), input, options.tools(party)),
        }
      } catch (error) {
        network.stop()
        return { error }
      }
    }),
  )
  return { network, ended }
}

/** Outputs of a run in which nobody failed. */
export const values = <T>(ended: readonly Ended<T>[]): readonly T[] =>
  ended.map((one) => {
    if ('error' in one) throw one.error
    return one.value
  })

/** The blame that a run ended with, of whichever party came first. */
export const blameOf = (ended: readonly Ended<unknown>[]): MemoryBlame => {
  for (const one of ended) if ('error' in one && one.error instanceof MemoryBlame) return one.error
  throw new Error('nobody was blamed', { cause: ended })
}
