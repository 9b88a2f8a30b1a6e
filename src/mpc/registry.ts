import type { Hash, Index } from '../lib/brand.ts'
import type { Random } from '../lib/ports.ts'
import type { Secret } from '../lib/secret.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import type { frostKeygen, KeygenContext, KeygenPublic } from './frost/keygen.ts'
import type { frostSign } from './frost/sign.ts'

/** All that one protocol id can do, over the fastest backend that this machine has. */
export interface Protocols {
  readonly keygen: ReturnType<typeof frostKeygen>
  readonly sign: ReturnType<typeof frostSign>
  /** See frost/keygen.ts. */
  keygenPublic(context: KeygenContext, session: Hash, payloads: readonly Uint8Array[]): KeygenPublic
  /** See frost/verify.ts. */
  verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** See frost/possession.ts. */
  provePossession(share: Secret, index: Index, context: Hash, random: Random): Uint8Array
  verifyPossession(verifyingShare: Uint8Array, index: Index, context: Hash, proof: Uint8Array): boolean
  /** The key as its users show it: x only for BIP-340, as it is otherwise. */
  shownKey(publicKey: Uint8Array): Uint8Array
}

/** Imports what an id needs, when it is needed. */
export const loadProtocols = async (id: ProtocolId): Promise<Protocols> => {
  const [keygen, sign, verify, possession, suite] = await Promise.all([
    import('./frost/keygen.ts'),
    import('./frost/sign.ts'),
    import('./frost/verify.ts'),
    import('./frost/possession.ts'),
    import('./frost/suite.ts'),
  ])
  const { evenY } = await suite.loadSuite(id)
  return {
    keygen: keygen.frostKeygen(id),
    sign: sign.frostSign(id),
    keygenPublic: (...rest) => keygen.keygenPublic(id, ...rest),
    verifySignature: (...rest) => verify.verifySignature(id, ...rest),
    provePossession: (...rest) => possession.provePossession(id, ...rest),
    verifyPossession: (...rest) => possession.verifyPossession(id, ...rest),
    shownKey: (publicKey) => (evenY ? suite.xOnly(publicKey) : publicKey),
  }
}
