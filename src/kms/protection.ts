import type { KmsSlot } from '../records/definition-fields.ts'

/** A provider's statement of what protects its keys, before any is opened; one line for cards, screens and bundles. */
export const protections: Readonly<Record<string, string>> = {
  local: 'local: no hardware protection',
}

/** Null where the provider protects each key in its own way. */
export const protectionOf = ({ provider }: Pick<KmsSlot, 'provider'>): string | null =>
  Object.hasOwn(protections, provider) ? (protections[provider] ?? null) : null
