import { ceremonyFolder, definitionPath, isCeremonyFolder } from '../ceremony/paths.ts'
import type { Hash } from '../lib/brand.ts'
import { durableFolder, writeDurable } from '../lib/durable.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Disk } from '../lib/ports.ts'
import { ceremonyId, type Definition, definitionCodec } from '../records/definition.ts'
import { readDefinition } from '../records/definition-yaml.ts'
import { shortId } from '../records/short-id.ts'

const fault = (path: string, what: string, cause?: unknown): QuorateError =>
  new QuorateError(
    'E_FILE',
    `${path} is ${what}`,
    'run join again with --definition and the file that all approved: it is kept anew',
    {},
    cause,
  )

const damaged = (path: string, cause?: unknown): QuorateError => fault(path, 'damaged', cause)

export const missingDefinition = (ceremony: Hash): QuorateError => fault(definitionPath(ceremony), 'missing')

export interface KeptDefinition {
  /** The short id of its ceremony. */
  readonly folder: string
  /** The fault of the file, where it is damaged: it hides no other. */
  readonly found: Definition | QuorateError
}

const definitionIn = async (disk: Pick<Disk, 'read'>, folder: string): Promise<Definition | undefined> => {
  const path = `ceremonies/${folder}/definition.json`
  try {
    const bytes = await disk.read(path)
    if (bytes === undefined) return undefined
    const definition = await readDefinition(bytes)
    if (shortId(ceremonyId(definition)) === folder) return definition
  } catch (error) {
    // A disk that fails says nothing about the file.
    if (!(error instanceof QuorateError) || error.code === 'E_DISK') throw error
    throw damaged(path, error)
  }
  throw damaged(path)
}

/** Definitions that this home keeps: of what it approved or joined. */
export const keptDefinitions = async (disk: Pick<Disk, 'read' | 'list'>): Promise<readonly KeptDefinition[]> => {
  const all: KeptDefinition[] = []
  for (const folder of (await disk.list('ceremonies')).filter(isCeremonyFolder)) {
    const found = await definitionIn(disk, folder).catch((error: unknown) => {
      if (error instanceof QuorateError) return error
      throw error
    })
    if (found !== undefined) all.push({ folder, found })
  }
  return all
}

/** The definition that this home keeps of a ceremony. Throws E_FILE where it is damaged, E_DEFINITION where it is another's. */
export const keptDefinition = async (disk: Pick<Disk, 'read'>, ceremony: Hash): Promise<Definition | undefined> => {
  const definition = await definitionIn(disk, shortId(ceremony))
  if (definition === undefined || ceremonyId(definition) === ceremony) return definition
  throw new QuorateError(
    'E_DEFINITION',
    `the folder ${shortId(ceremony)} of this home holds another definition`,
    'two ceremonies share a short id: keep the folder, and plan anew',
  )
}

/** Keeps the definition in the home, so that status, abort and a later join need no file. One that is damaged there is written anew. */
export const keepDefinition = async (disk: Disk, definition: Definition): Promise<void> => {
  const ceremony = ceremonyId(definition)
  const kept = await keptDefinition(disk, ceremony).catch((error: unknown) => {
    if (error instanceof QuorateError && error.code === 'E_FILE') return undefined
    throw error
  })
  if (kept !== undefined) return
  await durableFolder(disk, ceremonyFolder(ceremony))
  await writeDurable(disk, definitionPath(ceremony), definitionCodec.encode(definition))
}
