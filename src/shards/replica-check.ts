import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from '../records/codec.ts'
import { envelopeHash, type SealedShard, shardFileCodec } from '../records/sealed-shard.ts'
import type { Replicas } from './replicas.ts'
import type { Store } from './stores/port.ts'

/** An envelope as one store has it. */
export interface ReplicaFound {
  readonly state: 'ok' | 'missing' | 'damaged' | 'unreachable'
  /** The fault, where the store told one. */
  readonly fault: QuorateError | undefined
  /** Other envelopes of this epoch whose wrapped pieces the store shows: of one that was replaced, they should be gone. */
  readonly others: readonly Hash[]
  readonly sealed: SealedShard | undefined
}

const isDamage = (error: QuorateError): boolean => error.details['store'] === 'damaged'

/** Looks at one replica, and changes nothing. Its hash tells whether it is the right one: no key is needed. */
export const examineReplica = async (
  replicas: Replicas,
  store: Store,
  key: Hash,
  outcome: Hash,
  envelope: Hash,
): Promise<ReplicaFound> => {
  let others: readonly Hash[] = []
  try {
    others = (await replicas.envelopesIn(store, key, outcome)).filter((one) => one !== envelope)
    const [file, slots] = await Promise.all(
      (['shard', 'slots'] as const).map((part) => store.read(replicas.nameOf(key, outcome, envelope, part))),
    )
    if (file === undefined || slots === undefined)
      return { state: 'missing', fault: undefined, others, sealed: undefined }
    const [core, ciphertext] = shardFileCodec.decode(file.bytes)
    const sealed = { core, slots: slots.bytes, ciphertext }
    return envelopeHash(sealed) === envelope
      ? { state: 'ok', fault: undefined, others, sealed }
      : { state: 'damaged', fault: undefined, others, sealed: undefined }
  } catch (error) {
    if (error instanceof DecodeError) return { state: 'damaged', fault: undefined, others, sealed: undefined }
    if (!(error instanceof QuorateError)) throw error
    return { state: isDamage(error) ? 'damaged' : 'unreachable', fault: error, others, sealed: undefined }
  }
}
