import type { Index, Party } from '../../lib/brand.ts'
import { equal } from '../../lib/bytes.ts'
import { sha256 } from '../../lib/hash.ts'
import { Secret } from '../../lib/secret.ts'
import { cborCodec, DecodeError } from '../../records/codec.ts'
import { bytes } from '../../records/fields.ts'
import { oneMessage } from '../evidence.ts'
import { type Dealt, deal, dealtCodec, openDealt, shareCodec, shareFits } from '../frost/dealing.ts'
import { evaluate, sumCommitments } from '../frost/polynomial.ts'
import { loadSuite, suiteOf } from '../frost/suite.ts'
import { publicFrom, shareFrom } from '../frost/total.ts'
import type { Element, Scalar } from '../group/group.ts'
import type { Claim, Round } from '../mailbox.ts'
import type { KeygenContext, KeygenOutput, KeyProtocol } from '../scheme.ts'
import { coinRules, runCoin } from './coin.ts'
import { toyFacts } from './facts.ts'

type ToyRounds = {
  readonly veil: Round<Uint8Array, 'all'>
  readonly unveil: Round<Dealt, 'all'>
  readonly parcels: Round<Uint8Array, 'each'>
}

const suite = () => suiteOf('frost-ed25519')

/** Says what a party does otherwise than an honest one; tests set it. */
const lieOf = (self: Party): string | undefined =>
  (globalThis as { toyLie?: (party: number) => string | undefined }).toyLie?.(self)

export const toyKeygen = (): KeyProtocol<ToyRounds, KeygenContext, KeygenContext, KeygenOutput> => {
  const rounds: ToyRounds = {
    veil: { codec: cborCodec('toy/veil/v1', bytes(32, 32), 64), to: 'all', echo: 'round' },
    unveil: { codec: dealtCodec(suite()), to: 'all', echo: 'round', seconds: 3 },
    parcels: { codec: shareCodec(suite()), to: 'each', echo: 'none' },
  }
  const unveiled = (claim: Pick<Claim<KeygenContext>, 'messages' | 'context' | 'session'>, dealer: Party) => {
    const veil = oneMessage(claim, 'veil', dealer, rounds.veil.codec)
    const dealt = oneMessage(claim, 'unveil', dealer, rounds.unveil.codec)
    if (veil === undefined || dealt === undefined) return undefined
    if (!equal(sha256(rounds.unveil.codec.encode(dealt.value)), veil.value)) return 'unveiling'
    const opened = openDealt(suite(), claim.context, claim.session, dealer, dealt.value)
    return typeof opened === 'string' ? 'unveiling' : opened
  }
  const firstFailure = (claim: Claim<KeygenContext>): string | undefined => {
    const opened = unveiled(claim, claim.accused)
    if (opened === undefined || typeof opened === 'string') return opened
    const parcel = oneMessage(claim, 'parcels', claim.accused, rounds.parcels.codec)
    const value = parcel && suite().group.field.decode(parcel.value)
    if (parcel === undefined) return undefined
    return value !== undefined && shareFits(suite(), opened, parcel.to as Index, value) ? undefined : 'parcel'
  }
  return {
    ...toyFacts.keygen,
    rounds,
    within: {
      [coinRules.id]: { rules: coinRules, sessions: () => [{ label: 'first' }], context: () => null },
    },

    async run(box, context, { random }) {
      const lie = lieOf(box.self)
      const { group } = await loadSuite('frost-ed25519')
      const { field } = group
      const self = Number(box.self) as Index
      await runCoin(
        box.within(
          coinRules,
          'first',
          [...box.peers, box.self].sort((a, b) => a - b),
        ),
        random,
        lie,
      )
      const dealing = deal(suite(), context, box.session, box.self, random)
      const honest = rounds.unveil.codec.encode(dealing.message)
      const veils = await box.broadcast('veil', sha256(lie === 'unveiling' ? new Uint8Array(1) : honest))
      if (lie === 'silence') return await new Promise<never>(() => undefined)
      const shown = await box.broadcast('unveil', dealing.message)
      const commitments = new Map<Party, readonly Element[]>([[box.self, dealing.elements]])
      for (const peer of box.peers) {
        const dealt = shown.get(peer) as Dealt
        const hidden = equal(sha256(rounds.unveil.codec.encode(dealt)), veils.get(peer) as Uint8Array)
        const opened = openDealt(suite(), context, box.session, peer, dealt)
        if (!hidden || typeof opened === 'string') return box.blame(peer, 'unveiling', ['veil', 'unveil'])
        commitments.set(peer, opened)
      }
      const total = sumCommitments(group, [...commitments.values()])
      const made = publicFrom(suite(), total, context.parties)
      if (typeof made === 'string') throw new Error(made)
      const parcels = await box.scatter('parcels', (peer) => {
        const share = evaluate(field, dealing.coefficients, Number(peer) as Index)
        return field.encode(lie === 'parcel' ? field.add(share, field.fromNumber(1)) : share)
      })
      let sum = evaluate(field, dealing.coefficients, self)
      for (const peer of box.peers) {
        const share = field.decode(parcels.get(peer) as Uint8Array)
        if (share === undefined || !shareFits(suite(), commitments.get(peer) as readonly Element[], self, share))
          return box.blame(peer, 'parcel', ['veil', 'unveil', 'parcels'])
        sum = field.add(sum, share)
      }
      await box.confirm('confirm')
      return { share: new Secret(shareFrom(suite(), total, sum as Scalar)), ...made }
    },

    judge(claim) {
      return firstFailure(claim) === claim.check ? 'proven' : 'refuted'
    },

    derive(context, session, messages) {
      const commitments = Array.from({ length: context.parties }, (_, at) => {
        const opened = unveiled({ messages, context, session }, (at + 1) as Party)
        if (opened === undefined || typeof opened === 'string') throw new DecodeError(`party ${at + 1}: ${opened}`)
        return opened
      })
      const made = publicFrom(suite(), sumCommitments(suite().group, commitments), context.parties)
      if (typeof made === 'string') throw new DecodeError(made)
      return made
    },
  }
}
