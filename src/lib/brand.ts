declare const brand: unique symbol

/** A string or number that only the function which checked it can make. */
type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** A site's name: a label inside one definition, [a-z0-9-]. */
export type SiteId = Brand<string, 'SiteId'>
/** Checksummed public form of a long-lived key: qsite1…, qapprover1… or qrelay1…. */
export type Identity = Brand<string, 'Identity'>
/** SHA-256 as 64 lowercase hex digits. */
export type Hash = Brand<string, 'Hash'>
/** Raw Ed25519 or X25519 public key as 64 lowercase hex digits. */
export type KeyHex = Brand<string, 'KeyHex'>
/** A participant's place in the attempt's list, from 1; in fixed-roster kinds it equals the index. */
export type Party = Brand<number, 'Party'>
/** A site's place in one epoch's roster, from 1: the x of its share. */
export type Index = Brand<number, 'Index'>
/** UTC time with seconds, as 2026-12-01T09:00:00Z. */
export type Time = Brand<string, 'Time'>
