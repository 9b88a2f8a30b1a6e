import { Session } from '../../src/ceremony/session/session.ts'
import { systemClock } from '../../src/host/clock.ts'
import { systemRandom } from '../../src/host/random.ts'
import { rawSigner } from '../../src/identity/ed25519.ts'
import type { Hash, Index } from '../../src/lib/brand.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import type { RelayRoom } from '../../src/transport/relay-client.ts'
import { enterAs, person } from '../transport/relay-support.ts'
import { AUTHORITY, type End, openEnd, until } from '../transport/support.ts'

/** Two of the sites sign. */
const THRESHOLD = 2
/** Ends a session that hangs; the relay's own stalls are to be seen as slow rounds before. */
const ROUND = 60_000

/** Milliseconds of one signature, from its first message until both signers hold it, and of each signer's two rounds. */
export interface Signing {
  readonly whole: number
  readonly rounds: readonly number[]
}

/** Honest sites of one room with a key of their own. */
export interface Ceremony {
  /** One FROST session of the first two sites, as sites run it: rounds of signed messages over channels over the relay. */
  sign(): Promise<Signing>
  readonly rooms: readonly RelayRoom[]
  /** Signatures that both signers hold and that verify. */
  signed(): number
  /** Times that a member's channels had to begin anew. */
  replaced(): number
  close(): Promise<void>
}

interface Seat {
  readonly end: End
  readonly signer: ReturnType<typeof rawSigner>
  session: Session | undefined
  /** What came before this site had opened its session. */
  readonly early: { from: End['name']; topic: Hash; bytes: Uint8Array }[]
}

const protocols = loadScheme('frost-ed25519')

/** All of `seats` in a session of their own; `work` is one site's side. */
const session = <T>(
  seats: readonly Seat[],
  work: (one: Session, at: number) => Promise<T>,
  heardAll: (at: number) => void = () => {},
): Promise<readonly T[]> => {
  const attempt = toHex(systemRandom(32)) as Hash
  return Promise.all(
    seats.map(async (seat, at) => {
      const one = new Session({
        ceremony: AUTHORITY,
        attempt,
        parties: seats.map(({ end, signer }) => ({ site: end.name, key: signer.key })),
        self: seat.end.name,
        signer: seat.signer,
        clock: systemClock,
        random: systemRandom,
        roundMs: ROUND,
        send: (to, bytes) => void seat.end.channels.send(to, attempt, bytes).catch(() => undefined),
        record: () => {},
        progress: ({ got, total }) => {
          if (got === total) heardAll(at)
        },
      })
      seat.session = one
      for (const { from, topic, bytes } of seat.early.splice(0)) if (topic === attempt) one.deliver(from, bytes)
      try {
        return await work(one, at)
      } finally {
        seat.session = undefined
      }
    }),
  )
}

export const ceremony = async (url: string, names: readonly string[]): Promise<Ceremony> => {
  const { keygen, sign, verifySignature } = await protocols
  const people = await Promise.all(names.map((name) => person(name)))
  const rooms = people.map((one) => enterAs(one, people, [{ url }]))
  const seats: Seat[] = names.map((name, n) => {
    const others = names.filter((other) => other !== name)
    const early: Seat['early'] = []
    const end = openEnd(name, others, rooms[n] as RelayRoom, {
      onMessage: (from, topic, bytes) => {
        const open = seats[n]?.session
        if (open === undefined) early.push({ from, topic, bytes })
        else open.deliver(from, bytes)
      },
    })
    return { end, signer: rawSigner(new Secret(systemRandom(32))), session: undefined, early }
  })
  await until(() => seats.every(({ end }) => end.connected.length >= names.length - 1), ROUND)
  const keys = await session(seats, (one) =>
    keygen.run(one.mailbox(keygen), { threshold: THRESHOLD, parties: names.length }, { random: systemRandom }),
  )
  let signed = 0
  return {
    rooms,
    signed: () => signed,
    replaced: () => seats.reduce((sum, { end }) => sum + end.replaced.length, 0),
    sign: async () => {
      const message = systemRandom(32)
      const rounds: number[] = []
      const begun = performance.now()
      const last = new Map<number, number>()
      const made = await session(
        seats.slice(0, THRESHOLD),
        async (one, at) => {
          const key = keys[at]
          if (key === undefined) throw new Error('no key')
          const input = { ...key, threshold: THRESHOLD, indices: [1, 2] as Index[], message }
          return sign.run(one.mailbox(sign), input, { random: systemRandom })
        },
        (at) => {
          const now = performance.now()
          rounds.push(now - (last.get(at) ?? begun))
          last.set(at, now)
        },
      )
      const whole = performance.now() - begun
      for (const { signature } of made)
        if (!keys.every(({ publicKey }) => verifySignature(publicKey, message, signature)))
          throw new Error('not a signature')
      signed += 1
      return { whole, rounds }
    },
    close: async () => {
      await Promise.all(seats.map(({ end }) => end.close()))
    },
  }
}
