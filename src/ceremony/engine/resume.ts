import { QuorateError } from '../../lib/errors.ts'
import type { Definition } from '../../records/definition.ts'
import { HELP_MS, serveLatecomers } from '../close/latecomers.ts'
import { isComplete, keptBundle } from '../close/own-bundle.ts'
import type { CeremonyKind } from '../kinds/kind.ts'
import { bundlePath } from '../paths.ts'
import { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { type JoinResult, joinResult } from './result.ts'

/**
 * A join of a ceremony that this site has ended with nothing missing: the same result again. Others who are here and
 * lack this site's part get it first; where no relay answers at once, nobody is waited for.
 */
export const finishedBefore = async (
  ceremony: Ceremony,
  kind: CeremonyKind<Definition>,
): Promise<JoinResult | undefined> => {
  const { authority } = ceremony
  const bundle = await keptBundle(ceremony)
  const made = kind.result(ceremony)
  if (bundle === undefined || made === undefined || !(await isComplete(ceremony, bundle, made.sites))) return undefined
  await inRoom(ceremony, (peers) => serveLatecomers(ceremony, peers, bundle, made.sites))
  return joinResult(ceremony, made, { bundle: bundlePath(authority.hash, authority.kind), open: [] })
}

/** Meets the others where a relay answers at once; what is done there is for them, and this site waits for nobody. */
const inRoom = async (ceremony: Ceremony, work: (peers: Peers) => Promise<void>): Promise<void> => {
  const { site, authority, options } = ceremony
  const connecting = site.connect(authority).catch((error: unknown) => {
    if (error instanceof QuorateError && error.code === 'E_RELAY') return undefined
    throw error
  })
  const late = site.machine.clock.sleep(HELP_MS, options.signal).then(() => undefined)
  late.catch(() => undefined)
  const wire = await Promise.race([connecting, late])
  if (wire === undefined) {
    void connecting.then((one) => one?.close()).catch(() => undefined)
    return
  }
  const peers = new Peers(ceremony, wire, () => undefined)
  peers.open()
  try {
    await work(peers)
  } finally {
    await peers.close()
  }
}

/** A site that left says so again: it may have stopped before anybody heard. */
export const repeatAbort = async (ceremony: Ceremony): Promise<void> => {
  const { store, seat, options } = ceremony
  const own = ceremony.aborted ? store.aborts.get(seat.identity) : undefined
  if (own === undefined) return
  await inRoom(ceremony, async (peers) => {
    peers.postNote(own.envelope)
    await store.until(
      () => [...peers.bySite.values()].some((peer) => peer.connected) || undefined,
      HELP_MS,
      options.signal,
    )
    await peers.flush(1000)
  })
}
