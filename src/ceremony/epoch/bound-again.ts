import { type Promised, readPromised } from '../../audit/readmission.ts'
import type { Hash } from '../../lib/brand.ts'
import { durableFolder, writeDurable } from '../../lib/durable.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Disk } from '../../lib/ports.ts'
import { DecodeError } from '../../records/codec.ts'
import { ceremonyId, definitionCodec, fenceIn, recordKind } from '../../records/definition.ts'
import type { LedgerEventName } from '../../records/event.ts'
import { type ReadmitDefinition, returningIdentity } from '../../records/kinds/readmit.ts'
import type { Retired } from '../../records/outcome.ts'
import type { Readmitted } from '../../records/readmission.ts'
import { recordHashOf } from '../../shards/rival.ts'
import { definitionAt } from '../definition/definition-at.ts'
import { ceremonyFolder, definitionPath } from '../paths.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { ledgerWord } from '../store/ledger-words.ts'
import { sayOfKey } from './suspended.ts'

/** Promises that hold by themselves; what a liar mixes in binds nobody, and `audit verify` names who did. */
const provenIn = (words: Iterable<Readmitted>, definition: ReadmitDefinition): readonly Promised[] => {
  const identity = returningIdentity(definition)
  const found: Promised[] = []
  for (const { promises } of words)
    for (const one of promises) {
      try {
        if (identity !== undefined) found.push(readPromised(one, identity))
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
      }
    }
  return found
}

/**
 * Binds this site again to what the others prove that it promised and forgot: votes and attempts stand in its ledger, so
 * that it votes for no rival and deals no share a second time; a key that it left alone is suspended; a share that it had
 * destroyed, and that came back with the copy, is destroyed. Saying it twice changes nothing.
 */
export const bindAgain = async (ceremony: Ceremony, words: Iterable<Readmitted>): Promise<void> => {
  const promises = provenIn(words, ceremony.authority.definition as ReadmitDefinition)
  for (const one of promises) await keepDefinition(ceremony, one)
  for (const one of promises) await sayAgain(ceremony, one)
  await ceremony.site.ledger.barrier()
  for (const one of promises) await destroyAgain(ceremony, one)
}

const isOfAnother = async (disk: Pick<Disk, 'read'>, path: string, ceremony: Hash): Promise<boolean> => {
  const bytes = await disk.read(path)
  try {
    return bytes !== undefined && ceremonyId(definitionCodec.decode(bytes)) !== ceremony
  } catch (error) {
    // Damaged: it is written anew.
    if (error instanceof DecodeError) return false
    throw error
  }
}

/** The words of a ledger mean nothing where the definition is nowhere in the home. */
const keepDefinition = async ({ site }: Ceremony, { ceremony, definition }: Promised): Promise<void> => {
  const path = definitionPath(ceremony)
  if (await isOfAnother(site.home.disk, path, ceremony))
    throw new QuorateError(
      'E_DEFINITION',
      `${path} of this home is of another ceremony than one that it took part in and forgot: the two share a short id`,
      'keep the folder. This site cannot be taken back: mend it on another machine (quorate recover plan --lost)',
      { ceremony },
    )
  if ((await definitionAt(site, ceremony)) !== undefined) return
  await durableFolder(site.home.disk, ceremonyFolder(ceremony))
  await writeDurable(site.home.disk, path, definitionCodec.encode(definition))
}

const sayAgain = async ({ site }: Ceremony, { ceremony, definition, records }: Promised): Promise<void> => {
  const { ledger, machine } = site
  const has = (what: LedgerEventName, object: Hash | null): boolean =>
    [...ledger.replay()].some((one) => one.ceremony === ceremony && one.what === what && one.object === object)
  for (const { name, envelope } of records) {
    const word = ledgerWord(name, envelope)
    // Without the share that it was given for, a receipt would free this site of its vote.
    if (word === undefined || word.what === 'installed' || has(word.what, word.object)) continue
    if (name === 'fenced') {
      const fence = fenceIn(definition)
      if (fence !== undefined)
        await sayOfKey(ledger, machine.clock, { key: fence.key, reason: fence.reason, suspended: true })
    }
    ledger.append({ at: machine.clock.now(), what: word.what, ceremony, site: null, object: word.object })
  }
}

const destroyAgain = async ({ site: { shards } }: Ceremony, { definition, records }: Promised): Promise<void> => {
  const key = recordKind(definition).key(definition)
  if (key === null) return
  for (const { name, value } of records) {
    if (name !== 'retired') continue
    const { base, record } = value as Retired
    const { whole, damaged } = await shards.ofKey(key)
    for (const one of [...whole, ...damaged])
      if (recordHashOf(one) === base && !('state' in one && one.state !== 'installed'))
        await shards.retire(key, one.outcome, record)
  }
}
