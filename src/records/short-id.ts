import type { Hash } from '../lib/brand.ts'

/** The first 32 bits of a ceremony id, for screens and file names: 7f3a-91c2. Never enough to choose one by. */
export const shortId = (ceremony: Hash): string => `${ceremony.slice(0, 4)}-${ceremony.slice(4, 8)}`
