import { sodiumGroup } from './curve25519.ts'
import type { Group } from './group.ts'
import { ed25519Identity, loadSodiumField } from './libsodium.ts'

/** The functions that are used of the addon `sodium-native`: results are written into the first argument. */
interface SodiumNative {
  crypto_scalarmult_ed25519_base_noclamp(out: Uint8Array, k: Uint8Array): void
  crypto_scalarmult_ed25519_noclamp(out: Uint8Array, k: Uint8Array, p: Uint8Array): void
  crypto_core_ed25519_add(out: Uint8Array, p: Uint8Array, q: Uint8Array): void
  crypto_core_ed25519_sub(out: Uint8Array, p: Uint8Array, q: Uint8Array): void
  crypto_core_ed25519_is_valid_point(p: Uint8Array): boolean
}

// Not a dependency: used where its user has installed it.
const ADDON: string = 'sodium-native'

const into = (write: (out: Uint8Array) => void): Uint8Array => {
  const out = new Uint8Array(32)
  write(out)
  return out
}

/** Elements on the addon, scalars in WebAssembly: the addon exports no scalar multiplication. Rejects where it is not installed. */
export const loadNativeEd25519 = async (): Promise<Group> => {
  const { default: addon } = (await import(ADDON)) as { default: SodiumNative }
  return sodiumGroup(await loadSodiumField(), {
    backend: 'sodium-native',
    identity: ed25519Identity(),
    timesBase: (k) => into((out) => addon.crypto_scalarmult_ed25519_base_noclamp(out, k)),
    times: (k, p) => into((out) => addon.crypto_scalarmult_ed25519_noclamp(out, k, p)),
    add: (p, q) => into((out) => addon.crypto_core_ed25519_add(out, p, q)),
    subtract: (p, q) => into((out) => addon.crypto_core_ed25519_sub(out, p, q)),
    isValid: (p) => addon.crypto_core_ed25519_is_valid_point(p),
  })
}
