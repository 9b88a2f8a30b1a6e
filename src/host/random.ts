import { randomBytes } from 'node:crypto'
import type { Random } from '../lib/ports.ts'

/** The operating system's generator, by way of OpenSSL. */
export const systemRandom: Random = (length) => new Uint8Array(randomBytes(length))
