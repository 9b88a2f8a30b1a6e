import { type BundleReader, readBundle } from '../audit/bundle.ts'
import { readFacts } from '../audit/bundle-facts.ts'
import type { Held } from '../audit/record-facts.ts'
import { parseTrust, type Trust } from '../audit/trust.ts'
import { type VerifyReport, verifyBundle } from '../audit/verify.ts'
import { protocolEvidence } from '../ceremony/blame/verify-evidence.ts'
import type { Hash, Index, SiteId } from '../lib/brand.ts'
import { fromBase64, fromHex } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { loadScheme } from '../mpc/registry.ts'
import type { Scheme } from '../mpc/scheme.ts'
import { type RecipientIdentity, recipientIdentity } from '../recipients/identity.ts'
import { DecodeError } from '../records/codec.ts'
import { ceremonyId } from '../records/definition.ts'
import type { Recipient, ReconstructDefinition } from '../records/kinds/reconstruct.ts'
import { type Release, type ReleasedShare, releasedShareCodec } from '../records/release.ts'
import { type BundleInput, withSource } from './bundle-source.ts'

/** A site's gift to this recipient: its share, or why it is none. */
interface PieceShown {
  readonly site: SiteId
  readonly verdict: 'holds' | 'false' | 'missing'
  readonly reason: string
}

export interface KeyOpened {
  readonly ceremony: Hash
  /** Hash of its keygen outcome. */
  readonly key: Hash
  readonly name: string
  readonly protocol: ReconstructDefinition['protocol']
  readonly publicKey: string
  readonly recipient: string
  readonly reason: string
  readonly pieces: readonly PieceShown[]
  readonly verdict: VerifyReport['verdict']
  /** Encoded as a share is. The caller wipes it. */
  readonly secret: Secret
}

/** Throws E_REFUSED where the bundle does not hold: nothing in it is decrypted. */
const refuseFalse = ({ verdict, checks }: VerifyReport): void => {
  if (verdict !== 'invalid') return
  const failed = checks.filter((check) => check.verdict === 'fails').map(({ id }) => id)
  throw new QuorateError(
    'E_REFUSED',
    `the bundle does not hold: ${failed.join(', ')}`,
    'nothing was opened; ask the other sites for their bundles of this ceremony',
    { failed },
  )
}

const recipientIn = async (
  { recipients }: ReconstructDefinition,
  identity: RecipientIdentity,
): Promise<readonly [to: Recipient, place: number]> => {
  for (const [place, to] of recipients.entries()) if (await identity.isOf(to)) return [to, place]
  throw new QuorateError(
    'E_REFUSED',
    'the identity file is that of no recipient of this ceremony',
    `the recipients are ${recipients.map(({ name }) => name).join(', ')}: audit show names their keys; nothing was opened`,
  )
}

/** True where a share was given for all that it is used for here. */
const isGivenHere = (given: ReleasedShare, value: Release, { name }: Recipient, of: ReconstructDefinition): boolean =>
  given.ceremony === value.ceremony &&
  given.attempt === value.attempt &&
  given.site === value.site &&
  given.index === value.index &&
  given.recipient === name &&
  given.key === of.key &&
  given.base === of.base &&
  given.protocol === of.protocol

/** The share in one piece. Throws DecodeError where it is none that counts. */
const shareIn = async (
  value: Release,
  to: Recipient,
  place: number,
  definition: ReconstructDefinition,
  identity: RecipientIdentity,
  scheme: Scheme,
): Promise<Secret> => {
  const plain = await identity.open(to, fromBase64(value.sealed[place] ?? ''))
  try {
    const given = releasedShareCodec.decode(plain)
    const share = new Secret(new Uint8Array(given.share))
    given.share.fill(0)
    try {
      if (!isGivenHere(given, value, to, definition))
        throw new DecodeError('given for another ceremony, site or recipient than it stands for')
      const named = definition.of.verifyingShares[value.index - 1]
      if (named === undefined || !scheme.isShareOf(share, fromHex(named)))
        throw new DecodeError('not the share that its verifying share names')
      return share
    } catch (error) {
      share.wipe()
      throw error
    }
  } finally {
    plain.fill(0)
  }
}

const noKey = (pieces: readonly PieceShown[], threshold: number): QuorateError => {
  const named = (verdict: PieceShown['verdict']): string =>
    pieces.flatMap((piece) => (piece.verdict === verdict ? piece.site : [])).join(', ')
  const [lied, missing] = [named('false'), named('missing')]
  const good = pieces.filter(({ verdict }) => verdict === 'holds').length
  return lied === ''
    ? new QuorateError(
        'E_NOT_FINISHED',
        `${good} of ${threshold} shares are in this bundle; not here: ${missing}`,
        `${missing}: run recover join again; then use the bundle that it writes, or audit merge`,
        { pieces },
      )
    : new QuorateError(
        'E_PEER_SHARE_INVALID',
        `${lied} gave what is not its share: ${good} of ${threshold} hold`,
        `plan it anew without ${lied}; the bundle has its signature on what it gave`,
        { pieces },
      )
}

/** The whole key, by one recipient's identity. Pure but for that identity; nothing is written. */
const openWholeKey = async (
  bundle: BundleReader,
  identity: RecipientIdentity,
  trust: Trust | 'stated' | undefined,
): Promise<KeyOpened> => {
  const { definition } = bundle
  if (!('recipients' in definition))
    throw new QuorateError(
      'E_USAGE',
      `the bundle is one of a ${definition.kind}, which gives no key away`,
      'give the bundle that recover join wrote',
    )
  const report = await verifyBundle(bundle, { trust, evidence: protocolEvidence })
  refuseFalse(report)
  const [to, place] = await recipientIn(definition, identity)
  const evidence = await protocolEvidence(definition)
  const facts = await readFacts(bundle, evidence, { trust, at: undefined, message: undefined })
  const scheme = await loadScheme(definition.protocol)
  const shares = new Map<Index, Secret>()
  const pieces: PieceShown[] = []
  try {
    for (const site of definition.givers) {
      const own: readonly Held<Release>[] = facts.held('release').filter((one) => one.site === site)
      let shown: PieceShown = { site, verdict: 'missing', reason: 'nothing of it is in this bundle' }
      for (const { value } of own) {
        try {
          if (shares.has(value.index)) break
          shares.set(value.index, await shareIn(value, to, place, definition, identity, scheme))
          shown = { site, verdict: 'holds', reason: 'the share that its verifying share names' }
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error
          shown = { site, verdict: 'false', reason: error.message }
        }
      }
      pieces.push(shown)
    }
    const { threshold, of, key, name, protocol, reason } = definition
    const enough = new Map([...shares].slice(0, threshold))
    if (enough.size < threshold) throw noKey(pieces, threshold)
    return {
      ...{
        ceremony: ceremonyId(definition),
        key,
        name,
        protocol,
        publicKey: of.publicKey,
        recipient: to.name,
        reason,
      },
      pieces,
      verdict: report.verdict,
      secret: scheme.wholeKey(enough, fromHex(of.publicKey)),
    }
  } finally {
    for (const share of shares.values()) share.wipe()
  }
}

/** The same of a file. Throws E_BUNDLE where it is no bundle. */
export const openKeyFile = (wanted: {
  readonly bundle: BundleInput
  /** An age identity file, or a private key in PEM. */
  readonly identity: Uint8Array
  /** Text of a trust file. */
  readonly trust: string | undefined
  readonly trustStated: boolean
}): Promise<KeyOpened> =>
  withSource(wanted.bundle, async (source) => {
    const identity = recipientIdentity(wanted.identity)
    const trust = wanted.trust !== undefined ? parseTrust(wanted.trust) : wanted.trustStated ? 'stated' : undefined
    return openWholeKey(await readBundle(source), identity, trust)
  })
