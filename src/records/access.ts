import type { KmsSlot } from './definition-fields.ts'

/** How the KMS keys of a site open its shard: so many slots in the envelope, and so many of them are enough. */
export const accessRules = {
  'one-key': { slots: 1, enough: 1 },
  'two-of-three': { slots: 3, enough: 2 },
} as const

export type Access = keyof typeof accessRules
export const accessNames = Object.keys(accessRules) as readonly Access[]

/** By the number of KMS keys that a site names; undefined: by no rule. */
export const accessOf = (kms: readonly KmsSlot[]): Access | undefined =>
  accessNames.find((name) => accessRules[name].slots === kms.length)

/** The same of an entry in a definition that can run: lint refuses any other number. */
export const accessIn = ({ kms }: { readonly kms: readonly KmsSlot[] }): Access => {
  const access = accessOf(kms)
  if (access === undefined) throw new TypeError(`${kms.length} KMS keys open a shard by no rule`)
  return access
}

/** A definition's word for its sites: two-of-three where one of them names three keys. */
export const sealingOf = (sites: readonly { readonly kms: readonly KmsSlot[] }[]): Access =>
  sites.some(({ kms }) => accessOf(kms) === 'two-of-three') ? 'two-of-three' : 'one-key'
