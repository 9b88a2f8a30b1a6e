import type { Rounds } from '../../mpc/mailbox.ts'
import type { Codec } from '../../records/codec.ts'
import { echoCodec } from '../../records/round.ts'

/** Codec and addressees of any round that a session may carry: the protocol's own, their echoes, and the confirmation. */
export interface RoundSpec {
  readonly codec: Codec<unknown>
  readonly to: 'all' | 'each'
}

export const confirmRound = 'confirm'
const ECHO = ':echo'
export const echoRound = (round: string): string => `${round}${ECHO}`
export const isEchoRound = (round: string): boolean => round.endsWith(ECHO)

/** A round's name for people. */
export const roundWords = (round: string): string =>
  isEchoRound(round) ? `the comparison of ${round.slice(0, -ECHO.length)}` : round

export const roundSpec = (rounds: Rounds, name: string): RoundSpec | undefined => {
  if (Object.hasOwn(rounds, name)) return rounds[name]
  const confirms = name === confirmRound || name === echoRound(confirmRound)
  if (confirms && Object.values(rounds).some((round) => round.to === 'each')) return { codec: echoCodec, to: 'all' }
  const echoed = Object.keys(rounds).some((round) => echoRound(round) === name && rounds[round]?.echo !== 'none')
  return echoed ? { codec: echoCodec, to: 'all' } : undefined
}
