import { equal } from '../../lib/bytes.ts'
import type { Group } from './group.ts'
import { secp256k1Group } from './secp256k1.ts'
import { loadSecp256k1Field } from './secp256k1-scalars.ts'

/** The functions that are used of the addon `secp256k1`. Points come in any form and go out in 65 bytes. */
interface Secp256k1Addon {
  publicKeyCreate(k: Uint8Array, compressed: false): Uint8Array
  publicKeyTweakMul(p: Uint8Array, k: Uint8Array, compressed: false): Uint8Array
  publicKeyCombine(points: readonly Uint8Array[], compressed: false): Uint8Array
  publicKeyConvert(p: Uint8Array, compressed: false): Uint8Array
}

// Not a dependency: used where its user has installed it. Its main entry falls back to elliptic.js without a word.
const ADDON: string = 'secp256k1/bindings.js'

/** True where q is −p: the one sum that the addon refuses. */
const areOpposite = (p: Uint8Array, q: Uint8Array): boolean =>
  equal(p.subarray(1, 33), q.subarray(1, 33)) && !equal(p, q)

/** libsecp256k1 as a Node addon. Rejects where it is not installed or has no binary for this machine. */
export const loadNativeSecp256k1 = async (): Promise<Group> => {
  const { default: addon } = (await import(ADDON)) as { default: Secp256k1Addon }
  return secp256k1Group(
    {
      backend: 'secp256k1 addon',
      timesBase: (k) => addon.publicKeyCreate(k, false),
      times: (k, p) => addon.publicKeyTweakMul(p, k, false),
      add: (p, q) => (areOpposite(p, q) ? undefined : addon.publicKeyCombine([p, q], false)),
      decompress: (bytes) => addon.publicKeyConvert(bytes, false),
    },
    await loadSecp256k1Field(),
  )
}
