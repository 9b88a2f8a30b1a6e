import type { LogView } from '../../audit/disk-log.ts'
import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Disk } from '../../lib/ports.ts'
import { ceremonyId, type Definition, recordKind } from '../../records/definition.ts'
import { readDefinition } from '../../records/definition-yaml.ts'
import type { Outcome } from '../../records/outcome.ts'
import { definitionPath } from '../paths.ts'
import type { KeyBase } from './lint-key.ts'

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

/**
 * Returns this site's own facts of an epoch, to hold a definition that uses it against: the definition that made it.
 * Throws E_NOT_FOUND where neither has it.
 */
export const keyBaseOf = async (
  site: Definitions,
  epoch: {
    readonly key: Hash
    readonly hash: Hash
    readonly number: number
    readonly outcome: Pick<Outcome, 'ceremony' | 'publicKey' | 'verifyingShares'>
  },
): Promise<KeyBase> => {
  const { ceremony, publicKey, verifyingShares } = epoch.outcome
  const definition = await definitionAt(site, ceremony)
  if (definition === undefined || recordKind(definition).makes !== 'key')
    throw new QuorateError(
      'E_NOT_FOUND',
      'this home does not hold the definition that made the key',
      'put it back from another site or a backup: ceremonies/ID/definition.json in this home',
    )
  return { definition, key: epoch.key, record: epoch.hash, epoch: epoch.number, publicKey, verifyingShares }
}
