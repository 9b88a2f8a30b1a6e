import type { Hash, Index, Party } from '../../src/lib/brand.ts'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Secret } from '../../src/lib/secret.ts'
import { interpolate } from '../../src/mpc/frost/base.ts'
import { type SuiteId, suiteOf } from '../../src/mpc/frost/suite.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import type { JudgedMessage } from '../../src/mpc/mailbox.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import type { RepairInput, ReshareInput, ShareHolder } from '../../src/mpc/scheme.ts'
import { runAll, values } from './memory-mailbox.ts'
import { seededRandom } from './random.ts'

/** One epoch of a key with the shares of all its sites, in index order: what no site ever has. */
export interface Epoch {
  readonly threshold: number
  readonly publicKey: Uint8Array
  readonly verifyingShares: readonly Uint8Array[]
  readonly shares: readonly Secret[]
}

export const sessionOf = (name: string): Hash => hashOf(utf8(name)) as Hash
export const toolsOf = (seed: string) => (party: Party) => ({ random: seededRandom(`${seed} ${party}`) })

export const makeEpoch = async (id: SuiteId, threshold: number, parties: number, seed: string): Promise<Epoch> => {
  const { keygen } = await loadScheme(id)
  const inputs = Array.from({ length: parties }, () => ({ threshold, parties }))
  const made = values((await runAll(keygen, inputs, { session: sessionOf(seed), tools: toolsOf(seed) })).ended)
  const [{ publicKey, verifyingShares }] = made as [(typeof made)[number]]
  return { threshold, publicKey, verifyingShares, shares: made.map(({ share }) => share) }
}

/** The key of the sum of these shares, weighted as shares of these indices: what they could sign for together. */
export const keyOf = (id: SuiteId, indices: readonly Index[], shares: readonly Secret[]): string => {
  const { group } = suiteOf(id)
  const elements = shares.map((share) => group.timesBase(group.field.decode(share.reveal()) as Scalar))
  const key = interpolate(group, indices, elements)
  return group.isIdentity(key) ? 'the identity' : toHex(group.encode(key))
}

export const sharesAt = ({ shares }: Epoch, indices: readonly Index[]): readonly Secret[] =>
  indices.map((index) => shares[index - 1] as Secret)

/** A verified signature of these sites, or the error of the first. */
export const signWith = async (
  id: SuiteId,
  epoch: Epoch,
  indices: readonly Index[],
  seed: string,
): Promise<Uint8Array> => {
  const scheme = await loadScheme(id)
  const { shares: _, ...context } = epoch
  const message = utf8(`what ${seed} sign`)
  const inputs = sharesAt(epoch, indices).map((share) => ({ ...context, indices, message, share }))
  const { ended } = await runAll(scheme.sign, inputs, { session: sessionOf(`${seed} sign`), tools: toolsOf(seed) })
  const [first] = values(ended) as [{ readonly signature: Uint8Array }]
  if (!scheme.verifySignature(epoch.publicKey, message, first.signature)) throw new Error('no signature')
  return first.signature
}

interface Made {
  readonly epoch: Epoch
  readonly session: Hash
  readonly messages: readonly JudgedMessage[]
}

/** The epoch that a refresh makes, and its broadcasts. */
export const refreshed = async (id: SuiteId, old: Epoch, seed: string): Promise<Made> => {
  const { refresh } = await loadScheme(id)
  const { shares, ...facts } = old
  const session = sessionOf(`${seed} refresh`)
  const inputs = shares.map((share) => ({ ...facts, parties: shares.length, share }))
  const { ended, network } = await runAll(refresh, inputs, { session, tools: toolsOf(`${seed} refresh`) })
  const made = values(ended)
  const [{ publicKey, verifyingShares }] = made as [(typeof made)[number]]
  const epoch = { threshold: old.threshold, publicKey, verifyingShares, shares: made.map(({ share }) => share) }
  return { epoch, session, messages: network.broadcasts(refresh.rounds) }
}

/** Seats of a resharing: which places deal which old indices, which receive, and how many sit there in all. */
export interface Roster {
  readonly dealers: readonly ShareHolder[]
  readonly receivers: readonly Party[]
  readonly threshold: number
  readonly seats: number
}

export const reshareInputs = (old: Epoch, { seats, ...roster }: Roster): readonly ReshareInput[] => {
  const { publicKey, verifyingShares, threshold: oldThreshold } = old
  return Array.from({ length: seats }, (_, at) => {
    const dealer = roster.dealers.find(({ party }) => party === at + 1)
    const share = dealer && (old.shares[dealer.index - 1] as Secret)
    return { publicKey, verifyingShares, oldThreshold, ...roster, share }
  })
}

/** The epoch that a resharing makes, and its broadcasts. */
export const reshared = async (id: SuiteId, old: Epoch, roster: Roster, seed: string): Promise<Made> => {
  const { reshare } = await loadScheme(id)
  const session = sessionOf(`${seed} reshare`)
  const inputs = reshareInputs(old, roster)
  const { ended, network } = await runAll(reshare, inputs, { session, tools: toolsOf(`${seed} reshare`) })
  const made = values(ended)
  const [{ publicKey, verifyingShares }] = made as [(typeof made)[number]]
  const receives = made.map(({ share }) => share !== undefined)
  if (receives.some((one, at) => one !== roster.receivers.includes((at + 1) as Party)))
    throw new Error('wrong receivers')
  const shares = roster.receivers.map((party) => made[party - 1]?.share as Secret)
  const epoch = { threshold: roster.threshold, publicKey, verifyingShares, shares }
  return { epoch, session, messages: network.broadcasts(reshare.rounds) }
}

/** Seats of a repair. */
export interface Mending {
  readonly helpers: readonly ShareHolder[]
  readonly mended: ShareHolder
  readonly seats: number
}

export const repairInputs = (epoch: Epoch, { seats, ...mending }: Mending): readonly RepairInput[] => {
  const { shares, ...facts } = epoch
  return Array.from({ length: seats }, (_, at) => {
    const helper = mending.helpers.find(({ party }) => party === at + 1)
    return { ...facts, ...mending, share: helper && (shares[helper.index - 1] as Secret) }
  })
}

/** The share that a repair makes at the mended site. */
export const repaired = async (id: SuiteId, epoch: Epoch, mending: Mending, seed: string): Promise<Secret> => {
  const { repair } = await loadScheme(id)
  const options = { session: sessionOf(`${seed} repair`), tools: toolsOf(`${seed} repair`) }
  const made = values((await runAll(repair, repairInputs(epoch, mending), options)).ended)
  const [share, ...others] = made.map((one) => one.share).filter((one) => one !== undefined)
  if (share === undefined || others.length > 0 || made[mending.mended.party - 1]?.share !== share)
    throw new Error('not one share at the mended site')
  return share
}
