import type { Rounds } from '../mpc/mailbox.ts'
import type { Codec } from '../records/codec.ts'
import { echoCodec } from '../records/round.ts'

/** Codec and addressees of any round that a session may carry: the protocol's own, their echoes, and the confirmation. */
export interface RoundSpec {
  readonly codec: Codec<unknown>
  readonly to: 'all' | 'each'
}

export const confirmRound = 'confirm'
export const echoRound = (round: string): string => `${round}:echo`

export const roundSpec = (rounds: Rounds, name: string): RoundSpec | undefined => {
  if (Object.hasOwn(rounds, name)) return rounds[name]
  const confirms = name === confirmRound || name === echoRound(confirmRound)
  if (confirms && Object.values(rounds).some((round) => round.to === 'each')) return { codec: echoCodec, to: 'all' }
  const echoed = Object.keys(rounds).some((round) => echoRound(round) === name && rounds[round]?.echo !== 'none')
  return echoed ? { codec: echoCodec, to: 'all' } : undefined
}
