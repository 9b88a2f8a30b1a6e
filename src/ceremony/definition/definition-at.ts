import type { LogView } from '../../audit/disk-log.ts'
import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Disk } from '../../lib/ports.ts'
import { ceremonyId, type Definition } from '../../records/definition.ts'
import { readDefinition } from '../../records/definition-yaml.ts'
import { definitionPath } from '../paths.ts'

const definitionIn = async (bytes: Uint8Array | undefined, ceremony: Hash): Promise<Definition | undefined> => {
  try {
    const definition = bytes === undefined ? undefined : await readDefinition(bytes)
    return definition !== undefined && ceremonyId(definition) === ceremony ? definition : undefined
  } catch (error) {
    if (error instanceof QuorateError) return undefined
    throw error
  }
}

interface Definitions {
  readonly home: { readonly disk: Pick<Disk, 'read'> }
  ceremonyLog(ceremony: Hash): Promise<Pick<LogView, 'body'>>
}

/** By its own folder or, where the file is missing or damaged, by its log. */
export const definitionAt = async (site: Definitions, ceremony: Hash): Promise<Definition | undefined> =>
  (await definitionIn(await site.home.disk.read(definitionPath(ceremony)), ceremony)) ??
  (await definitionIn((await site.ceremonyLog(ceremony)).body(ceremony), ceremony))
