import type { Trust } from '../../audit/trust.ts'
import type { IdentityKey } from '../../identity/identity-key.ts'
import type { Identity } from '../../lib/brand.ts'
import { equal } from '../../lib/bytes.ts'
import { QuorateError } from '../../lib/errors.ts'
import { ceremonyId, type Definition } from '../../records/definition.ts'
import { type Approval, approvalCodec, type Card, cardCodec } from '../../records/identity.ts'
import type { Signed } from '../../records/signed.ts'
import type { UndecidedVote } from '../epoch/rivals.ts'
import { ceremonyKind } from '../kinds/index.ts'
import { ownRole } from './authority.ts'
import { refuseErrors } from './finding.ts'
import { lint } from './lint.ts'
import type { KeyBase } from './lint-key.ts'

/** Throws E_CARD unless the definition's entry for this site is this machine's own card, field by field. */
export const refuseOtherCard = (definition: Definition, identity: Identity, own: Card): void => {
  const entry = definition.sites.find((site) => site.identity === identity)
  if (entry !== undefined && equal(cardCodec.encode(entry), cardCodec.encode(own))) return
  throw new QuorateError(
    'E_CARD',
    'what the definition says of this site is not what its own card says',
    'compare the definition with `quorate identity card`; give the planner the card of today, and plan again',
  )
}

/** Throws E_REFUSED for the first identity of the definition, other than `own`, that is unknown or revoked. */
const refuseStrangers = (definition: Definition, own: Identity, trust: Trust): void => {
  const all = [...definition.sites.map((site) => site.identity), ...definition.approvers]
  for (const identity of all.filter((one) => one !== own)) {
    const revoked = trust.revoked(identity)
    if (revoked === null) continue
    throw new QuorateError(
      'E_REFUSED',
      `${identity} is ${revoked === undefined ? 'not in' : 'revoked by'} the trust file`,
      'ask its operator by another way whether this is its identity; nothing was signed',
    )
  }
}

/** Everything that must hold before an identity puts its name to a definition; nothing is signed by this. */
export const checkApproval = (wanted: {
  readonly definition: Definition
  readonly identity: Identity
  /** Of a site: its own card, made of site.yaml now. */
  readonly card?: Card
  readonly trust?: Trust
  /** Sign, a file or hex: its content. */
  readonly message?: Uint8Array
  /** Sign, at a site that holds a share of the key. */
  readonly base?: KeyBase
  /** The same, of a key whose shares are replaced. */
  readonly undecided?: readonly UndecidedVote[]
  /** Milliseconds since 1970. */
  readonly now: number
}): Approval => {
  const { definition, identity, card, trust, message, base, undecided, now } = wanted
  const role = ownRole(definition, identity)
  refuseErrors(lint(definition))
  if (role === 'site') {
    if (card === undefined) throw new TypeError('a site approves with its own card at hand')
    refuseOtherCard(definition, identity, card)
  }
  if (now >= Date.parse(definition.window.closes))
    throw new QuorateError(
      'E_WINDOW',
      `the window closed at ${definition.window.closes}`,
      'ask the planner for a new definition',
    )
  if (trust !== undefined) refuseStrangers(definition, identity, trust)
  ceremonyKind(definition).refuseUnfit(definition, { base, message, undecided })
  return { ceremony: ceremonyId(definition), identity, role, purpose: 'approve', at: now }
}

/** The signed approval, after all checks. */
export const approve = async (
  key: IdentityKey,
  wanted: Omit<Parameters<typeof checkApproval>[0], 'identity'>,
): Promise<Signed<Approval>> => key.signer.sign(approvalCodec, checkApproval({ ...wanted, identity: key.identity }))
