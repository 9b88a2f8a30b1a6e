import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { root } from '../support/cli.ts'

const folder = resolve(root, process.env['QUORATE_COUNTERPARTS'] ?? 'node_modules/.cache/quorate-counterparts')

/** The folder into which install.sh puts a server of somebody else's. */
export const counterpartFolder = (name: string): string => join(folder, name)

/** The reason why it cannot run here; undefined where it can. On CI one that is missing is a failure, not a reason. */
export const absent = (name: string): string | undefined =>
  existsSync(join(counterpartFolder(name), 'packages')) || process.env['CI'] !== undefined
    ? undefined
    : `${name} is not installed: test/counterparts/install.sh`
