import type { Hash, Index, Party } from '../../src/lib/brand.ts'
import { toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Secret } from '../../src/lib/secret.ts'
import { interpolate } from '../../src/mpc/frost/base.ts'
import { type SuiteId, suiteOf } from '../../src/mpc/frost/suite.ts'
import type { Scalar } from '../../src/mpc/group/group.ts'
import type { JudgedMessage } from '../../src/mpc/mailbox.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
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

/** The epoch that a refresh makes, and its broadcasts. */
export const refreshed = async (
  id: SuiteId,
  old: Epoch,
  seed: string,
): Promise<{ readonly epoch: Epoch; readonly session: Hash; readonly messages: readonly JudgedMessage[] }> => {
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
