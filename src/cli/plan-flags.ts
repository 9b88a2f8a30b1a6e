import { Flags } from '@oclif/core'
import { QuorateError } from '../lib/errors.ts'
import { readFileFlag } from './files.ts'
import { wholeFlag } from './flags.ts'

/** Flags of `plan` under every topic: with --definition it shows, with --out it writes. */
export const planFlags = {
  definition: Flags.string({
    summary: 'a definition to show and check',
    helpValue: 'FILE',
    exactlyOne: ['definition', 'out'],
  }),
  out: Flags.string({ summary: 'the new definition; must not be there yet', helpValue: 'FILE' }),
  name: Flags.string({ summary: 'a label for people: a-z, 0-9 and -' }),
  site: Flags.string({ summary: "a site's card", helpValue: 'FILE', multiple: true, multipleNonGreedy: true }),
  relay: Flags.string({
    summary: 'where the sites meet',
    helpValue: 'URL[#IDENTITY]',
    multiple: true,
    multipleNonGreedy: true,
  }),
  approver: Flags.string({
    summary: 'who must approve and holds no share',
    helpValue: 'IDENTITY',
    multiple: true,
    multipleNonGreedy: true,
  }),
  opens: Flags.string({ summary: 'from when an attempt may start; without it from now', helpValue: 'TIME' }),
  gather: wholeFlag({ summary: 'seconds that a join waits for the others; without it 900', min: 1, max: 604_800 }),
  round: wholeFlag({ summary: 'seconds that a round waits for a message; without it 20', min: 1, max: 3600 }),
  closes: Flags.string({ summary: 'until when; without it for a week', helpValue: 'TIME' }),
}

export const required = <T>(value: T | undefined, flag: string): T => {
  if (value !== undefined) return value
  throw new QuorateError(
    'E_USAGE',
    `a new definition needs ${flag}`,
    'see the same command with --help; nothing was written',
  )
}

export const readCards = (files: readonly string[]): Promise<readonly Uint8Array[]> =>
  Promise.all(files.map((file) => readFileFlag(file, 65_536)))
