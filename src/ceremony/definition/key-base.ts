import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { ceremonyId, recordKind } from '../../records/definition.ts'
import { readDefinition } from '../../records/definition-yaml.ts'
import { definitionPath } from '../paths.ts'
import type { Site } from '../ports.ts'
import type { KeyBase } from './lint-key.ts'

const kept = async ({ home, ceremonyLog }: Pick<Site, 'home' | 'ceremonyLog'>, ceremony: Hash) => {
  const bytes = await home.disk.read(definitionPath(ceremony))
  return bytes ?? (await ceremonyLog(ceremony)).body(ceremony)
}

/**
 * Returns this site's own facts of a key, to hold a definition that uses it against: the definition that made the key,
 * by its own folder or its log. Throws E_NOT_FOUND where neither has it, E_DEFINITION where the file is another.
 */
export const keyBaseOf = async (
  site: Pick<Site, 'home' | 'ceremonyLog'>,
  epoch: { readonly key: Hash; readonly hash: Hash; readonly outcome: { readonly ceremony: Hash } },
): Promise<KeyBase> => {
  const { ceremony } = epoch.outcome
  const bytes = await kept(site, ceremony)
  const definition = bytes === undefined ? undefined : await readDefinition(bytes)
  if (definition === undefined || recordKind(definition).makes !== 'key' || ceremonyId(definition) !== ceremony)
    throw new QuorateError(
      'E_NOT_FOUND',
      'this home does not hold the definition that made the key',
      'put it back from another site or a backup: ceremonies/ID/definition.json in this home',
    )
  return { definition, key: epoch.key, record: epoch.hash }
}
