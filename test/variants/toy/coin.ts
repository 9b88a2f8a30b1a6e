import { equal } from '../../lib/bytes.ts'
import type { Random } from '../../lib/ports.ts'
import { cborCodec } from '../../records/codec.ts'
import { bytes } from '../../records/fields.ts'
import { oneMessage } from '../evidence.ts'
import type { Claim, Mailbox, ProtocolRules, Round } from '../mailbox.ts'
import { toyFacts } from './facts.ts'

const COIN = 16

export type CoinRounds = {
  readonly toss: Round<Uint8Array, 'all'>
  readonly whisper: Round<Uint8Array, 'each'>
}

const rounds: CoinRounds = {
  toss: { codec: cborCodec('toy/toss/v1', bytes(COIN, COIN), 64), to: 'all', echo: 'round' },
  whisper: { codec: cborCodec('toy/whisper/v1', bytes(COIN, COIN), 64), to: 'each', echo: 'none' },
}

const isOdd = (coin: Uint8Array): boolean => ((coin[0] ?? 0) & 1) === 1

/** The protocol inside the toy's: an even coin for all, and the same coin for each in private. */
export const coinRules: ProtocolRules<CoinRounds, null> = {
  ...toyFacts.coin,
  rounds,
  judge(claim: Claim<null>) {
    const toss = oneMessage(claim, 'toss', claim.accused, rounds.toss.codec)
    if (toss === undefined) return 'refuted'
    if (isOdd(toss.value)) return claim.check === 'odd-coin' ? 'proven' : 'refuted'
    const whisper = oneMessage(claim, 'whisper', claim.accused, rounds.whisper.codec)
    const isFalse = whisper !== undefined && !equal(whisper.value, toss.value)
    return isFalse && claim.check === 'false-whisper' ? 'proven' : 'refuted'
  },
}

/** `lie`: what this party does otherwise. */
export const runCoin = async (box: Mailbox<CoinRounds>, random: Random, lie: string | undefined): Promise<void> => {
  const coin = random(COIN)
  coin[0] = (coin[0] ?? 0) & 0xfe
  if (lie === 'odd-coin') coin[0] |= 1
  const tossed = await box.broadcast('toss', coin)
  for (const peer of box.peers) if (isOdd(tossed.get(peer) as Uint8Array)) return box.blame(peer, 'odd-coin', ['toss'])
  const whispered = await box.scatter('whisper', () => (lie === 'false-whisper' ? new Uint8Array(COIN) : coin))
  for (const peer of box.peers)
    if (!equal(whispered.get(peer) as Uint8Array, tossed.get(peer) as Uint8Array))
      return box.blame(peer, 'false-whisper', ['toss', 'whisper'])
  await box.confirm('confirm')
}
