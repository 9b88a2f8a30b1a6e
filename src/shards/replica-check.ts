import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from '../records/codec.ts'
import { envelopeHash, type SealedShard, shardFileCodec } from '../records/sealed-shard.ts'
import { replicaFolder, replicaName } from './replicas.ts'
import type { Store } from './stores/port.ts'

/** An envelope as one store has it. */
export interface ReplicaFound {
  readonly state: 'ok' | 'missing' | 'damaged' | 'unreachable'
  /** The fault, where the store told one. */
  readonly fault: QuorateError | undefined
  /** Wrapped pieces of other envelopes of this epoch: of one that was replaced, they should be gone. */
  readonly older: number
  readonly sealed: SealedShard | undefined
}

const isDamage = (error: QuorateError): boolean => error.details['store'] === 'damaged'

/** Its two objects, whatever they hold; undefined: one of them is not there. Throws E_STORE and DecodeError. */
const readReplica = async (
  store: Store,
  key: Hash,
  outcome: Hash,
  envelope: Hash,
): Promise<SealedShard | undefined> => {
  const [file, slots] = await Promise.all(
    (['shard', 'slots'] as const).map((part) => store.read(replicaName(key, outcome, envelope, part))),
  )
  if (file === undefined || slots === undefined) return undefined
  const [core, ciphertext] = shardFileCodec.decode(file.bytes)
  return { core, slots: slots.bytes, ciphertext }
}

/** Looks at one replica, and changes nothing. Its hash tells whether it is the right one: no key is needed. */
export const examineReplica = async (store: Store, key: Hash, outcome: Hash, envelope: Hash): Promise<ReplicaFound> => {
  let older = 0
  try {
    const folder = replicaFolder(key, outcome)
    const names = await store.list(folder)
    older = names.filter((name) => name.endsWith('/slots') && !name.startsWith(`${folder}/${envelope}/`)).length
    const sealed = await readReplica(store, key, outcome, envelope)
    if (sealed === undefined) return { state: 'missing', fault: undefined, older, sealed }
    return envelopeHash(sealed) === envelope
      ? { state: 'ok', fault: undefined, older, sealed }
      : { state: 'damaged', fault: undefined, older, sealed: undefined }
  } catch (error) {
    if (error instanceof DecodeError) return { state: 'damaged', fault: undefined, older, sealed: undefined }
    if (!(error instanceof QuorateError)) throw error
    return { state: isDamage(error) ? 'damaged' : 'unreachable', fault: error, older, sealed: undefined }
  }
}
