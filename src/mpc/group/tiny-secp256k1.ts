import { pointAdd, pointCompress, pointFromScalar, pointMultiply } from 'tiny-secp256k1'
import type { Group } from './group.ts'
import { secp256k1Group } from './secp256k1.ts'
import { loadSecp256k1Field } from './secp256k1-scalars.ts'

const some = (point: Uint8Array | null): Uint8Array => {
  if (point === null) throw new Error('a multiplication gave the identity')
  return point
}

/** libsecp256k1 as WebAssembly. `pointMultiply` is variable time. */
export const loadTinySecp256k1 = async (): Promise<Group> =>
  secp256k1Group(
    {
      backend: 'libsecp256k1 WebAssembly',
      timesBase: (k) => some(pointFromScalar(k, false)),
      times: (k, p) => some(pointMultiply(p, k, false)),
      add: (p, q) => pointAdd(p, q, false) ?? undefined,
      decompress: (bytes) => pointCompress(bytes, false),
    },
    await loadSecp256k1Field(),
  )
