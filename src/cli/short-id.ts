/** The first 32 bits of a ceremony id, for screens and file names: 7f3a-91c2. Never enough to choose one by. */
export const shortId = (hash: string): string => `${hash.slice(0, 4)}-${hash.slice(4, 8)}`
