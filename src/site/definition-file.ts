import { QuorateError } from '../lib/errors.ts'
import type { Definition } from '../records/definition.ts'
import { readDefinition } from '../records/definition-yaml.ts'

/** The definition in a file. Throws E_DEFINITION, or E_USAGE for another kind than the command is for. */
export const definitionFile = async (bytes: Uint8Array, kind: Definition['kind']): Promise<Definition> => {
  const definition = await readDefinition(bytes)
  if (definition.kind === kind) return definition
  throw new QuorateError(
    'E_USAGE',
    `this is the definition of a ${definition.kind}`,
    `use the commands of ${definition.kind} with it`,
  )
}
