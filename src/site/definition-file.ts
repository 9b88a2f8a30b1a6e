import { QuorateError } from '../lib/errors.ts'
import { type Definition, recordKind } from '../records/definition.ts'
import { readDefinition } from '../records/definition-yaml.ts'
import type { Topic } from '../records/kinds/kind.ts'

/** The definition in a file. Throws E_DEFINITION, or E_USAGE for a kind that the command is not for. */
export const definitionFile = async (bytes: Uint8Array, topic: Topic): Promise<Definition> => {
  const definition = await readDefinition(bytes)
  const its = recordKind(definition).topic
  if (its === topic) return definition
  throw new QuorateError(
    'E_USAGE',
    `this is the definition of a ${definition.kind}`,
    `use the commands of ${its} with it`,
  )
}
