import { frostFacts } from '../frost/facts.ts'
import type { ProtocolFacts } from '../mailbox.ts'

const { refresh, reshare, repair } = frostFacts('frost-ed25519')

/** Facts of a scheme that exists for tests: other round names than FROST's, private rounds, a protocol inside another. */
export const toyFacts = {
  keygen: {
    id: 'toy/make',
    checks: {
      unveiling: { code: 'E_PEER_PROOF_INVALID', what: 'unveiled what it had not hidden', round: 'unveil' },
      parcel: { code: 'E_PEER_SHARE_INVALID', what: 'sent a parcel that does not fit', round: 'parcels' },
    },
  },
  coin: {
    id: 'toy/coin',
    checks: {
      'odd-coin': { code: 'E_PEER_PROOF_INVALID', what: 'tossed an odd coin', round: 'toss' },
      'false-whisper': {
        code: 'E_PEER_PROOF_INVALID',
        what: 'whispered another coin than it tossed',
        round: 'whisper',
      },
    },
  },
  refresh: { ...refresh, id: 'toy/refresh' },
  reshare: { ...reshare, id: 'toy/reshare' },
  repair: { ...repair, id: 'toy/repair' },
  sign: {
    id: 'toy/sign',
    checks: {
      answer: { code: 'E_PEER_SHARE_INVALID', what: 'answered with what does not fit', round: 'answers' },
    },
    boundFrom: 'answers',
  },
} as const satisfies Readonly<Record<string, ProtocolFacts>>
