import type { LogView } from '../audit/disk-log.ts'
import type { RewrapsKnown } from '../ceremony/definition/rewraps.ts'
import type { Votes } from '../ceremony/epoch/rivals.ts'
import { openRoot } from '../host/disk.ts'
import { openHome } from '../identity/home.ts'
import type { Hash, Identity } from '../lib/brand.ts'
import { shardStore } from '../shards/store.ts'
import { lookAtLog } from './home-session.ts'
import { lookAtLedger } from './ledger.ts'

/** The ceremony of each record that this site voted for. */
export const votedIn = (ledger: Votes['ledger']): ReadonlyMap<Hash, Hash> =>
  new Map(
    [...ledger.replay()].flatMap(({ what, ceremony, object }) =>
      what === 'ready' && ceremony !== null && object !== null ? [[object, ceremony] as const] : [],
    ),
  )

/** The same, and what it knows of rewraps. */
type KnownHere = Votes & RewrapsKnown & { readonly home: { readonly identity: Identity }; readonly ledger: LogView }

/** Looks at what a home voted for; needs no passphrase, and writes nothing. */
export const votesOfHome = async <T>(folder: string, look: (votes: KnownHere) => Promise<T>): Promise<T> => {
  const disk = await openRoot(folder)
  try {
    const home = await openHome(disk)
    return await look({
      home: { disk, identity: home.identity },
      ledger: await lookAtLedger(disk, home),
      shards: shardStore(disk),
      ceremonyLog: (ceremony) => lookAtLog(disk, home, ceremony),
    })
  } finally {
    await disk.close()
  }
}
