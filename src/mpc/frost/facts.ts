import type { ProtocolCheck, ProtocolFacts } from '../mailbox.ts'
import type { SuiteId } from './suite.ts'

/** Names of what a dealer's private share can fail. */
export type ShareCheck = 'share-scalar' | 'share-zero' | 'share-commitment'
/** Names of what a dealing and its shares can fail; the first that fails is the one that is blamed. */
export type DealingCheck = 'commitment-count' | 'commitment-point' | 'proof-of-knowledge' | 'session-proof' | ShareCheck
/** Names of what a dealer's messages can fail. */
export type KeygenCheck = 'opening' | DealingCheck
/** Names of what the messages of a dealer that deals for a key that there is can fail. */
export type RefreshCheck = Exclude<KeygenCheck, 'proof-of-knowledge'>
/** Names of what a party's messages in a resharing can fail. */
export type ReshareCheck = RefreshCheck | 'base-share' | 'dealing-unasked' | 'share-unasked'
/** Names of what a party's messages in a repair can fail. */
export type RepairCheck =
  | 'opening'
  | 'commitment-count'
  | 'commitment-point'
  | 'base-share'
  | 'dealing-unasked'
  | 'part-scalar'
  | 'part-zero'
  | 'part-commitment'
  | 'part-unasked'
  | 'sum-scalar'
  | 'sum-zero'
  | 'sum-commitment'
  | 'sum-unasked'
/** Names of what a signer's messages can fail. */
export type SignCheck = 'commitment-point' | 'signature-share-scalar' | 'signature-share'

/** `shown` is the round that shows a dealing. */
const dealingChecks = (shown: string): Readonly<Record<DealingCheck, ProtocolCheck>> => ({
  'commitment-count': {
    code: 'E_PEER_PROOF_INVALID',
    what: 'committed to a polynomial of another degree than the threshold asks for',
    round: shown,
  },
  'commitment-point': {
    code: 'E_PEER_PROOF_INVALID',
    what: 'committed to what is no point of this group',
    round: shown,
  },
  'proof-of-knowledge': {
    code: 'E_PEER_PROOF_INVALID',
    what: 'sent a proof of knowledge that does not hold',
    round: shown,
  },
  'session-proof': {
    code: 'E_PEER_PROOF_INVALID',
    what: 'sent a proof that does not belong to this session',
    round: shown,
  },
  'share-scalar': { code: 'E_PEER_SHARE_INVALID', what: 'sent a share that is no scalar', round: 'shares' },
  'share-zero': { code: 'E_PEER_SHARE_INVALID', what: 'sent a share that is zero', round: 'shares' },
  'share-commitment': {
    code: 'E_PEER_SHARE_INVALID',
    what: 'sent a share that does not match its commitment',
    round: 'shares',
  },
})

const keygenChecks: Readonly<Record<KeygenCheck, ProtocolCheck>> = {
  opening: {
    code: 'E_PEER_PROOF_INVALID',
    what: 'opened another dealing than the one that it had committed to',
    round: 'openings',
  },
  ...dealingChecks('openings'),
}

const { 'proof-of-knowledge': _, ...refreshChecks } = keygenChecks

const reshareChecks: Readonly<Record<ReshareCheck, ProtocolCheck>> = {
  ...refreshChecks,
  'base-share': {
    code: 'E_PEER_PROOF_INVALID',
    what: 'dealt another value than its weighted share of the key',
    round: 'openings',
  },
  'dealing-unasked': {
    code: 'E_PEER_PROOF_INVALID',
    what: 'committed to a dealing though it is no dealer here',
    round: 'openings',
  },
  'share-unasked': {
    code: 'E_PEER_SHARE_INVALID',
    what: 'sent a share where none is to be sent',
    round: 'shares',
  },
}

const repairChecks: Readonly<Record<RepairCheck, ProtocolCheck>> = {
  opening: {
    code: 'E_PEER_PROOF_INVALID',
    what: 'opened other parts than those that it had committed to',
    round: 'openings',
  },
  'commitment-count': {
    code: 'E_PEER_PROOF_INVALID',
    what: 'committed to more or fewer parts than there are helpers',
    round: 'openings',
  },
  'commitment-point': {
    code: 'E_PEER_PROOF_INVALID',
    what: 'committed to a part that is no point of this group',
    round: 'openings',
  },
  'base-share': {
    code: 'E_PEER_PROOF_INVALID',
    what: 'split another value than its weighted share of the key',
    round: 'openings',
  },
  'dealing-unasked': {
    code: 'E_PEER_PROOF_INVALID',
    what: 'committed to parts though it is no helper here',
    round: 'openings',
  },
  'part-scalar': { code: 'E_PEER_SHARE_INVALID', what: 'sent a part that is no scalar', round: 'parts' },
  'part-zero': { code: 'E_PEER_SHARE_INVALID', what: 'sent a part that is zero', round: 'parts' },
  'part-commitment': {
    code: 'E_PEER_SHARE_INVALID',
    what: 'sent a part that does not match its commitment',
    round: 'parts',
  },
  'part-unasked': { code: 'E_PEER_SHARE_INVALID', what: 'sent a part where none is to be sent', round: 'parts' },
  'sum-scalar': { code: 'E_PEER_SHARE_INVALID', what: 'sent a sum of parts that is no scalar', round: 'sums' },
  'sum-zero': { code: 'E_PEER_SHARE_INVALID', what: 'sent a sum of parts that is zero', round: 'sums' },
  'sum-commitment': {
    code: 'E_PEER_SHARE_INVALID',
    what: 'sent another sum than that of the parts committed to',
    round: 'sums',
  },
  'sum-unasked': { code: 'E_PEER_SHARE_INVALID', what: 'sent a sum where none is to be sent', round: 'sums' },
}

const signChecks: Readonly<Record<SignCheck, ProtocolCheck>> = {
  'commitment-point': {
    code: 'E_PEER_SHARE_INVALID',
    what: 'committed to a nonce that is no point of this group',
    round: 'commitments',
  },
  'signature-share-scalar': {
    code: 'E_PEER_SHARE_INVALID',
    what: 'sent a signature share that is no scalar',
    round: 'shares',
  },
  'signature-share': {
    code: 'E_PEER_SHARE_INVALID',
    what: 'sent a signature share that does not match its commitment',
    round: 'shares',
  },
}

/** Facts of FROST's protocols that need no curve. `keygenV1` ran in version 0.1. */
export const frostFacts = (id: SuiteId) =>
  ({
    keygen: { id: `${id}/keygen/v2`, checks: keygenChecks },
    keygenV1: { id: `${id}/keygen`, checks: dealingChecks('commitments') },
    refresh: { id: `${id}/refresh`, checks: refreshChecks },
    // No share is of use before each party has confirmed the private messages.
    reshare: { id: `${id}/reshare`, checks: reshareChecks, boundFrom: 'confirm' },
    repair: { id: `${id}/repair`, checks: repairChecks },
    sign: { id: `${id}/sign`, checks: signChecks, boundFrom: 'shares' },
  }) as const satisfies Readonly<Record<string, ProtocolFacts>>
