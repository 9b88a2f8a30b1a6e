import type { Party } from '../lib/brand.ts'
import { equal } from '../lib/bytes.ts'
import type { Mailbox, Protocol, Rounds } from '../mpc/mailbox.ts'
import type { Scheme } from '../mpc/scheme.ts'
import { type Codec, DecodeError } from '../records/codec.ts'

/** Called before this site says anything in a round, by its place from 1. True: it says something else than it computed. */
type BeforeRound = (place: number) => boolean

/**
 * Another value that the codec can say: one byte is raised. It begins in the middle, so that a number stays in its range,
 * whichever end is the high one.
 */
const otherValue = <T>(codec: Codec<T>, value: T): T => {
  const bytes = codec.encode(value)
  for (let step = 0; step < bytes.length; step++) {
    const at = (step + (bytes.length >> 1)) % bytes.length
    const changed = new Uint8Array(bytes)
    changed[at] = ((bytes[at] as number) + 1) % 256
    try {
      const read = codec.decode(changed)
      if (!equal(codec.encode(read), bytes)) return read
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return value
}

const inBox = <R extends Rounds>(box: Mailbox<R>, rounds: R, before: BeforeRound): Mailbox<R> => {
  const names = Object.keys(rounds)
  const lies = (round: string): boolean => before(names.indexOf(round) + 1)
  return {
    ...box,
    async broadcast(round, own) {
      if (!lies(round)) return box.broadcast(round, own)
      const said = await box.broadcast(round, otherValue((rounds[round] as Rounds[string]).codec, own))
      // It goes on with its own word: a liar that believes itself would stop before the others see it.
      return new Map([...said, [box.self, own]])
    },
    scatter: (round, to) => {
      if (!lies(round)) return box.scatter(round, to)
      const { codec } = rounds[round] as Rounds[string]
      return box.scatter(round, (peer: Party) => otherValue(codec, to(peer)))
    },
    confirm: (round) => {
      before(names.length + 1)
      return box.confirm(round)
    },
  }
}

const watched = <P extends Protocol<Rounds, never, never, unknown>>(protocol: P, before: BeforeRound): P => ({
  ...protocol,
  run: (...[box, ...rest]: Parameters<P['run']>) =>
    protocol.run(inBox(box as Mailbox<Rounds>, protocol.rounds, before), ...rest),
})

/** The scheme as one site runs it: `before` hears of each round of the protocol of this id, not of those inside it. */
export const watchedScheme = (scheme: Scheme, id: string, before: BeforeRound): Scheme => {
  const own = <P extends Protocol<Rounds, never, never, unknown>>(protocol: P): P =>
    protocol.id === id ? watched(protocol, before) : protocol
  const { keygen, refresh, reshare, repair, sign } = scheme
  return {
    ...scheme,
    keygen: own(keygen),
    refresh: own(refresh),
    reshare: own(reshare),
    repair: own(repair),
    sign: own(sign),
  }
}
