import { bech32m } from '@scure/base'
import type { Identity, KeyHex } from '../lib/brand.ts'
import { fromHex, toHex } from '../lib/bytes.ts'
import { isPublicKey } from './ed25519.ts'

export type Role = 'site' | 'approver' | 'relay'

/** Bech32m of the raw key under the prefix qsite, qapprover or qrelay: none can pass for another. */
export const identityOf = (role: Role, key: KeyHex): Identity =>
  bech32m.encodeFromBytes(`q${role}`, fromHex(key)) as Identity

/** Role and key of an identity; undefined where the checksum, the prefix or the key is not right. */
export const parseIdentity = (text: string): { readonly role: Role; readonly key: KeyHex } | undefined => {
  try {
    const { prefix, bytes } = bech32m.decodeToBytes(text)
    const role = (['site', 'approver', 'relay'] as const).find((name) => prefix === `q${name}`)
    const key = toHex(bytes) as KeyHex
    if (role === undefined || bytes.length !== 32 || identityOf(role, key) !== text || !isPublicKey(key))
      return undefined
    return { role, key }
  } catch {
    return undefined
  }
}
