import sodium from 'libsodium-wrappers-sumo'
import { type SodiumElements, type SodiumScalars, sodiumField, sodiumGroup } from './curve25519.ts'
import type { Group, ScalarField } from './group.ts'

/** libsodium as WebAssembly. */
const scalars: SodiumScalars = {
  reduce: (wide) => sodium.crypto_core_ed25519_scalar_reduce(wide),
  add: (a, b) => sodium.crypto_core_ed25519_scalar_add(a, b),
  subtract: (a, b) => sodium.crypto_core_ed25519_scalar_sub(a, b),
  multiply: (a, b) => sodium.crypto_core_ed25519_scalar_mul(a, b),
  invert: (a) => sodium.crypto_core_ed25519_scalar_invert(a),
}

export const ed25519Identity = (): Uint8Array => {
  const bytes = new Uint8Array(32)
  bytes[0] = 1
  return bytes
}

const ed25519: SodiumElements = {
  backend: 'libsodium WebAssembly',
  identity: ed25519Identity(),
  timesBase: (k) => sodium.crypto_scalarmult_ed25519_base_noclamp(k),
  times: (k, p) => sodium.crypto_scalarmult_ed25519_noclamp(k, p),
  add: (p, q) => sodium.crypto_core_ed25519_add(p, q),
  subtract: (p, q) => sodium.crypto_core_ed25519_sub(p, q),
  isValid: (p) => sodium.crypto_core_ed25519_is_valid_point(p),
}

const ristretto255: SodiumElements = {
  backend: 'libsodium WebAssembly',
  identity: new Uint8Array(32),
  timesBase: (k) => sodium.crypto_scalarmult_ristretto255_base(k),
  times: (k, p) => sodium.crypto_scalarmult_ristretto255(k, p),
  add: (p, q) => sodium.crypto_core_ristretto255_add(p, q),
  subtract: (p, q) => sodium.crypto_core_ristretto255_sub(p, q),
  isValid: (p) => sodium.crypto_core_ristretto255_is_valid_point(p),
}

export const loadSodiumField = async (): Promise<ScalarField> => {
  await sodium.ready
  return sodiumField(scalars)
}

export const loadEd25519 = async (): Promise<Group> => sodiumGroup(await loadSodiumField(), ed25519)
export const loadRistretto255 = async (): Promise<Group> => sodiumGroup(await loadSodiumField(), ristretto255)
