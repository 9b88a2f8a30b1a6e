import type { ErrorCode } from '../../lib/errors.ts'
import { protocolFacts } from '../../mpc/registry.ts'
import type { Blame } from '../../records/round.ts'

interface Words {
  readonly code: ErrorCode
  /** The accused's deed, to be read after its name. */
  readonly what: string
}

const words: Readonly<Record<string, Words>> = {
  malformed: { code: 'E_PEER_MALFORMED', what: 'signed a message that does not decode or is over its limit' },
  equivocation: { code: 'E_PEER_EQUIVOCATED', what: 'signed two different messages for one place in the protocol' },
  echo: { code: 'E_PEER_ECHO', what: 'reported a message that its sender did not sign' },
  confirm: { code: 'E_PEER_ECHO', what: 'confirmed messages that were not sent' },
  'malformed-record': { code: 'E_PEER_MALFORMED', what: 'signed a record that is none of this ceremony' },
  'attempt-terms': { code: 'E_PEER_MALFORMED', what: 'signed an attempt that the definition does not allow' },
  'attempt-time': {
    code: 'E_PEER_MALFORMED',
    what: 'signed an attempt outside of the window, or after its own key had expired',
  },
  'vote-base': { code: 'E_PEER_MALFORMED', what: 'voted for a record on another base than the definition names' },
  'two-hellos': { code: 'E_PEER_EQUIVOCATED', what: 'signed two hellos of one number, or with one nonce' },
  'two-attempts': { code: 'E_PEER_EQUIVOCATED', what: 'signed two attempts after the same one' },
  'two-staged': { code: 'E_PEER_EQUIVOCATED', what: 'staged two shards in one attempt' },
  'two-votes': { code: 'E_PEER_EQUIVOCATED', what: 'voted for two records' },
  'two-receipts': { code: 'E_PEER_EQUIVOCATED', what: 'gave receipts for two records' },
  'receipt-without-vote': { code: 'E_PEER_EQUIVOCATED', what: 'gave a receipt for another record than it voted for' },
  'two-results': { code: 'E_PEER_EQUIVOCATED', what: 'stated two signatures' },
  'staged-outcome': {
    code: 'E_PEER_DISAGREES',
    what: 'staged another outcome than the messages that it received give',
  },
  possession: { code: 'E_PEER_PROOF_INVALID', what: 'did not prove the share that it sealed' },
  'test-signature': { code: 'E_PEER_PROOF_INVALID', what: 'stated a test signature that does not verify' },
  result: { code: 'E_PEER_PROOF_INVALID', what: 'stated a signature that is not one over this message by this key' },
}

/** A failed check as people read it. */
export const inWords = (blame: Pick<Blame, 'check' | 'protocol'>): Words =>
  words[blame.check] ??
  protocolFacts(blame.protocol)?.checks[blame.check] ?? {
    code: 'E_PEER_SHARE_INVALID',
    what: `failed the check ${blame.check}`,
  }
