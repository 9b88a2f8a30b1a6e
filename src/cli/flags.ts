import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { Flags } from '@oclif/core'
import { QuorateError } from '../lib/errors.ts'
import { protocols } from '../records/protocols.ts'

/** A flag without a value; oclif itself leaves one that is not given undefined. */
export const toggle = (options: { summary: string; helpGroup?: string; exclusive?: string[] }) =>
  Flags.boolean({ default: false, ...options })

/** Flags of every command. */
export const globalFlags = {
  json: toggle({ summary: 'print one JSON document on stdout, also on failure', helpGroup: 'GLOBAL' }),
  'json-events': toggle({ summary: 'print progress on stderr as JSON, one event a line', helpGroup: 'GLOBAL' }),
  'no-input': toggle({ summary: 'never ask; fail and name the flag that answers', helpGroup: 'GLOBAL' }),
  quiet: toggle({ summary: 'no progress on stderr; warnings and errors stay', helpGroup: 'GLOBAL' }),
  verbose: toggle({ summary: 'on failure print what caused it', helpGroup: 'GLOBAL' }),
}

/** No default stands in the flag itself: it would be baked into the manifest of the machine that built this. */
export const homeFlag = Flags.string({
  summary: "this site's folder; without it $XDG_DATA_HOME/quorate or ~/.local/share/quorate",
  env: 'QUORATE_HOME',
  helpValue: 'FOLDER',
})

export const passphraseFileFlag = Flags.string({
  summary: 'file with the passphrase of this home; - for stdin, /dev/fd/N for a descriptor',
  env: 'QUORATE_PASSPHRASE_FILE',
  helpValue: 'FILE',
})

export const relayCaFlag = Flags.string({
  summary: 'PEM of the authority that signed the relays’ certificates, where this system does not know it',
  env: 'QUORATE_RELAY_CA',
  helpValue: 'FILE',
})

export const kmsPassphraseFileFlag = Flags.string({
  summary: 'file with the passphrase of a local KMS key that has one',
  env: 'QUORATE_KMS_PASSPHRASE_FILE',
  helpValue: 'FILE',
})

export const definitionFlag = Flags.string({
  summary: 'the ceremony definition (YAML)',
  required: true,
  helpValue: 'FILE',
})

/** A whole number within bounds; never says what was typed. */
export const wholeFlag = Flags.custom<number, { min: number; max: number }>({
  helpValue: 'NUMBER',
  parse: async (input, _context, { min, max }) => {
    const value = /^(?:0|[1-9]\d{0,9})$/.test(input) ? Number(input) : Number.NaN
    if (value >= min && value <= max) return value
    throw new QuorateError(
      'E_USAGE',
      `expected a whole number from ${min} to ${max}`,
      'see the same command with --help',
    )
  },
})

/** Printed with the result, so it is no place for a secret. */
export const seedFlag = Flags.custom<string>({
  summary: 'the seed that an earlier run printed, for the same one again',
  helpValue: 'TEXT',
  parse: async (input) => {
    if (/^[a-z0-9-]{1,64}$/.test(input)) return input
    throw new QuorateError('E_USAGE', 'expected a seed of a-z, 0-9 and -, at most 64', 'leave it out for a new one')
  },
})()

export const reportsFlag = Flags.string({
  summary: 'the folder of the drills’ reports',
  default: 'drills',
  helpValue: 'FOLDER',
})

export const protocolFlag = Flags.option({ options: Object.keys(protocols) as (keyof typeof protocols)[] })

/** A UTC time, as milliseconds since 1970. */
export const instantFlag = Flags.custom<number>({
  helpValue: 'TIME',
  parse: async (input) => {
    const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(input) ? Date.parse(input) : Number.NaN
    if (!Number.isNaN(at)) return at
    throw new QuorateError('E_USAGE', 'expected a time in UTC', 'write it as 2026-12-01T09:00:00Z')
  },
})

/** Absolute path of the home: flag (or QUORATE_HOME), else the user's data folder. */
export const homeFolder = (flag: string | undefined): string => {
  if (flag !== undefined && flag !== '') return resolve(flag)
  const data = process.env['XDG_DATA_HOME']
  if (data !== undefined && isAbsolute(data)) return join(data, 'quorate')
  const user = homedir()
  if (isAbsolute(user)) return join(user, '.local', 'share', 'quorate')
  throw new QuorateError('E_HOME', 'this user has no home folder', 'name a folder for this site with --home')
}
