import { equal } from '../../lib/bytes.ts'
import type { Group } from './group.ts'
import { type CurveName, nobleGroups } from './noble.ts'

type Loader = () => Promise<Group>

/** Backends of each group besides noble, the fastest first. Addons are tried where their user has installed them. */
const loaders: Record<CurveName, readonly Loader[]> = {
  ed25519: [
    async () => (await import('./sodium-native.ts')).loadNativeEd25519(),
    async () => (await import('./libsodium.ts')).loadEd25519(),
  ],
  ed448: [],
  p256: [async () => (await import('./openssl-p256.ts')).loadOpensslP256()],
  ristretto255: [async () => (await import('./libsodium.ts')).loadRistretto255()],
  secp256k1: [
    async () => (await import('./secp256k1-addon.ts')).loadNativeSecp256k1(),
    async () => (await import('./tiny-secp256k1.ts')).loadTinySecp256k1(),
  ],
}

/**
 * True where a backend is of the curve that it says: its base is noble's, (−1)·G + G is the identity, and both kinds of
 * multiplication agree. Catches a library that loads and does not work here, not a malicious one.
 */
export const selfTest = (group: Group, noble: Group): boolean => {
  const { field } = group
  const scalar = (n: number) => field.fromNumber(n)
  const base = group.timesBase(scalar(1))
  const known = noble.encode(noble.combine(noble.field.fromNumber(1), [], []))
  const minus = group.timesBase(field.subtract(scalar(0), scalar(1)))
  const inverse = field.multiply(field.invert(scalar(7)), scalar(35))
  return (
    equal(group.encode(base), known) &&
    group.isIdentity(group.add(minus, base)) &&
    group.equals(group.combine(scalar(2), [inverse], [base]), group.timesSmall(7, base))
  )
}

const chosen = new Map<CurveName, Promise<Group>>()
const ready = new Map<CurveName, Group>()

const choose = async (curve: CurveName): Promise<Group> => {
  for (const load of loaders[curve])
    try {
      const group = await load()
      if (selfTest(group, nobleGroups[curve])) return group
    } catch {
      // Not installed, or not for this machine: the next one.
    }
  return nobleGroups[curve]
}

/** The group's backend: the one that `loadGroup` chose, plain noble before that. */
export const groupOf = (curve: CurveName): Group => ready.get(curve) ?? nobleGroups[curve]

/** Chooses the group's fastest backend, once. */
export const loadGroup = async (curve: CurveName): Promise<Group> => {
  const choosing = chosen.get(curve) ?? choose(curve)
  chosen.set(curve, choosing)
  const group = await choosing
  ready.set(curve, group)
  return group
}
