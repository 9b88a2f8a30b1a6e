import type { Hash } from '../lib/brand.ts'

/** The first 32 bits of a ceremony id, for screens and file names: 7f3a-91c2. Never enough to choose one by. */
export const shortId = (ceremony: Hash): string => `${ceremony.slice(0, 4)}-${ceremony.slice(4, 8)}`

/** A label that could be taken for an id or the beginning of one: eight hex digits or more, with dashes or without. */
export const readsAsId = (label: string): boolean => /^[0-9a-f]{8,}$/.test(label.replaceAll('-', ''))
