import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where install.sh puts a server of somebody else's. */
export const counterpartFolder = (name: string): string =>
  join(
    process.env['QUORATE_COUNTERPARTS'] ??
      fileURLToPath(new URL('../../node_modules/.cache/quorate-counterparts', import.meta.url)),
    name,
  )
