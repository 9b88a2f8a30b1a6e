import type { ErrorCode } from '../../lib/errors.ts'
import { protocolFacts } from '../../mpc/registry.ts'
import { recordNames, rowOf } from '../../records/record-table.ts'
import type { Blame } from '../../records/round.ts'

interface Words {
  readonly code: ErrorCode
  /** The accused's deed, to be read after its name. */
  readonly what: string
}

/** Faults that a record of the table shows by itself or beside another, as its row says them. */
const ofRecords: Readonly<Record<string, Words>> = Object.fromEntries(
  recordNames
    .map(rowOf)
    .flatMap(({ twice, faults }) => [
      ...(twice === null ? [] : [[twice.check, { code: 'E_PEER_EQUIVOCATED', what: twice.deed }]]),
      ...faults.map(({ check, deed }) => [check, { code: 'E_PEER_MALFORMED', what: deed }]),
    ]),
)

const words: Readonly<Record<string, Words>> = {
  ...ofRecords,
  malformed: { code: 'E_PEER_MALFORMED', what: 'signed a message that does not decode or is over its limit' },
  equivocation: { code: 'E_PEER_EQUIVOCATED', what: 'signed two different messages for one place in the protocol' },
  echo: { code: 'E_PEER_ECHO', what: 'reported a message that its sender did not sign' },
  confirm: { code: 'E_PEER_ECHO', what: 'confirmed messages that were not sent' },
  'malformed-record': { code: 'E_PEER_MALFORMED', what: 'signed a record that is none of this ceremony' },
  'receipt-without-vote': { code: 'E_PEER_EQUIVOCATED', what: 'gave a receipt for another record than it voted for' },
  'staged-outcome': {
    code: 'E_PEER_DISAGREES',
    what: 'staged another outcome than the messages that it received give',
  },
  possession: { code: 'E_PEER_PROOF_INVALID', what: 'did not prove the share that it sealed' },
  'test-signature': { code: 'E_PEER_PROOF_INVALID', what: 'stated a test signature that does not verify' },
  'rewrap-proof': { code: 'E_PEER_PROOF_INVALID', what: 'did not prove the share that it sealed anew' },
  result: { code: 'E_PEER_PROOF_INVALID', what: 'stated a signature that is not one over this message by this key' },
}

/** A failed check as people read it. */
export const inWords = (blame: Pick<Blame, 'check' | 'protocol'>): Words =>
  words[blame.check] ??
  protocolFacts(blame.protocol)?.checks[blame.check] ?? {
    code: 'E_PEER_SHARE_INVALID',
    what: `failed the check ${blame.check}`,
  }
