import { hashOf } from '../../lib/hash.ts'
import type { Run } from './run.ts'

/** A new hello of this site, with everything that it holds now, after a barrier. */
export const sendHello = async ({ ceremony, peers, prepared }: Run): Promise<void> => {
  await ceremony.barrier()
  const results = [...ceremony.store.results.values()][0]
  await ceremony.hello({
    epoch: prepared.base,
    result: results === undefined ? null : hashOf(results.signed.bytes),
    check: ceremony.options.check,
  })
  peers.ledgers.show()
}
