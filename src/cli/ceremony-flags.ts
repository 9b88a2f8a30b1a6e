import { Flags } from '@oclif/core'
import type { Hash } from '../lib/brand.ts'
import type { Definition } from '../records/definition.ts'
import type { Topic } from '../records/kinds/kind.ts'
import { readFileFlag } from './files.ts'
import { homeFlag, homeFolder, relayCaFlag } from './flags.ts'

/** Which ceremony: a file, or one that the home keeps. */
export const ceremonyFlags = {
  definition: Flags.string({ summary: 'the definition; without it one that this home keeps', helpValue: 'FILE' }),
  ceremony: Flags.string({
    summary: 'the ceremony among those that this home keeps, as 7f3a-91c2',
    helpValue: 'ID',
    exclusive: ['definition'],
  }),
  'relay-ca': relayCaFlag,
  home: homeFlag,
}

interface Given {
  readonly definition?: string | undefined
  readonly ceremony?: string | undefined
  readonly home?: string | undefined
}

/** The home and the definition that the flags name. */
export const ceremonyOf = async (
  topic: Topic,
  flags: Given,
): Promise<{ readonly home: string; readonly definition: Definition; readonly ceremony: Hash }> => {
  const { findDefinition } = await import('../site/find-definition.ts')
  const home = homeFolder(flags.home)
  const file = flags.definition === undefined ? undefined : await readFileFlag(flags.definition)
  return { home, ...(await findDefinition({ home, topic, file, ceremony: flags.ceremony })) }
}
