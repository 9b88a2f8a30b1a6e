import { QuorateError } from '../../lib/errors.ts'
import { wantedInWords } from '../definition/authority.ts'
import { refuseClocks } from '../gather/clocks.ts'
import { soFar } from '../gather/so-far.ts'
import { nameOf, refuseStopped } from './aborts.ts'
import { sendHello } from './hello.ts'
import { type JoinResult, joinResult } from './result.ts'
import type { Run } from './run.ts'

/** Preflight and gather only: resolves when everybody who is needed is here and has approved. */
export const checkOnly = async (run: Run): Promise<JoinResult> => {
  const { ceremony, peers } = run
  const { store, authority, options } = ceremony
  await sendHello(run)
  const ready = () => {
    refuseStopped(run)
    refuseClocks(ceremony, peers)
    const here = authority.candidates.filter(
      (member) =>
        member.name === ceremony.seat.name ||
        (peers.bySite.get(member.name)?.connected === true && peers.ledgers.proven(member.name)),
    )
    return authority.missing(store.approved()).length === 0 && here.length >= authority.seats ? true : undefined
  }
  const found = await store.until(ready, authority.terms.deadlines.gather * 1000, options.signal)
  if (found === undefined) {
    const missing = authority.missing(store.approved()).map((id) => nameOf(authority, id))
    const absent = authority.candidates
      .filter((member) => member.name !== ceremony.seat.name && peers.bySite.get(member.name)?.connected !== true)
      .map((member) => member.name)
    throw new QuorateError(
      missing.length > 0 ? 'E_APPROVALS_MISSING' : 'E_QUORUM',
      missing.length > 0
        ? `approvals missing: ${wantedInWords(authority, store.approved(), (id) => nameOf(authority, id))}`
        : `not here: ${absent.join(', ')}`,
      `${soFar(ceremony, peers.bySite.values())}; run the check again when they are ready`,
      { missing, absent },
    )
  }
  await peers.flush(2000)
  return joinResult(ceremony, undefined, undefined)
}
