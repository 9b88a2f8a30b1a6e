import { openRoot } from '../host/disk.ts'
import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { ceremonyId, type Definition, recordKind } from '../records/definition.ts'
import type { Topic } from '../records/kinds/kind.ts'
import { shortId } from '../records/short-id.ts'
import { definitionFile } from './definition-file.ts'
import { type KeptDefinition, keptDefinitions } from './kept-definition.ts'

interface Wanted {
  readonly home: string
  readonly topic: Topic
  /** Content of a definition file. */
  readonly file: Uint8Array | undefined
  /** The id or its beginning, with or without its dash. */
  readonly ceremony: string | undefined
}

const kept = async (home: string): Promise<readonly KeptDefinition[]> => {
  const disk = await openRoot(home)
  try {
    return await keptDefinitions(disk)
  } finally {
    await disk.close()
  }
}

/**
 * The ceremony that a command is about: the file that is given; else the one that the home keeps under the id that is
 * given; else the only one of this topic. Throws E_NOT_FOUND and E_USAGE.
 */
export const findDefinition = async (
  wanted: Wanted,
): Promise<{ readonly definition: Definition; readonly ceremony: Hash }> => {
  const definition = await find(wanted)
  return { definition, ceremony: ceremonyId(definition) }
}

const find = async ({ home, topic, file, ceremony }: Wanted): Promise<Definition> => {
  if (file !== undefined) return definitionFile(file, topic)
  const wanted = ceremony?.replace('-', '')
  if (wanted !== undefined && !/^[0-9a-f]{8,64}$/.test(wanted))
    throw new QuorateError('E_USAGE', '--ceremony is not an id', 'give it as screens show it: 7f3a-91c2')
  const all = await kept(home)
  const found = all.flatMap(({ found: one }) =>
    !(one instanceof QuorateError) &&
    recordKind(one).topic === topic &&
    (wanted === undefined || ceremonyId(one).startsWith(wanted))
      ? [one]
      : [],
  )
  const [one, ...more] = found
  if (one !== undefined && more.length === 0) return one
  if (one === undefined)
    for (const { folder, found: fault } of all) {
      const id = folder.replace('-', '')
      if (fault instanceof QuorateError && (wanted ?? id).startsWith(id)) throw fault
    }
  if (one === undefined)
    throw new QuorateError(
      'E_NOT_FOUND',
      `this home knows no ${wanted === undefined ? topic : 'such'} ceremony`,
      'give the file with --definition',
    )
  const list = found.map((each) => ({ ceremony: ceremonyId(each), name: each.name }))
  throw new QuorateError(
    'E_USAGE',
    `this home knows ${found.length} of them`,
    `choose with --ceremony: ${list
      .map(({ ceremony: id, name }) => `${shortId(id)} ${name}`)
      .slice(0, 8)
      .join(', ')}`,
    { ceremonies: list },
  )
}
