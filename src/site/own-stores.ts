import { type Hedge, hedged } from '../ceremony/hedge.ts'
import type { Home } from '../identity/home.ts'
import { utf8 } from '../lib/bytes.ts'
import { hashOf } from '../lib/hash.ts'
import type { Disk } from '../lib/ports.ts'
import { type Replicas, replicasOf } from '../shards/replicas.ts'
import type { Store, StoreContext } from '../shards/stores/port.ts'
import { HOME_STORE } from '../shards/stores/table.ts'
import { machine } from './machine.ts'

/** Stores of a card that hold replicas: the home's own disk is none. */
export const replicaStores = (stores: readonly string[]): readonly string[] =>
  stores.filter((store) => store !== HOME_STORE)

/** The replicas of a home's shares. `stores`: those of its card. */
export const replicasAt = (
  disk: Disk,
  home: Pick<Home, 'identity'>,
  stores: readonly string[],
  open: (uri: string) => Promise<Store>,
): Replicas => replicasOf(disk, hashOf(utf8(home.identity)), replicaStores(stores), open)

/** Opens stores for a home, each once, with the SDK of each loaded when it is opened. */
export const storeOpener = (
  home: Pick<Home, 'identity'> & Hedge['home'],
  environment: StoreContext['environment'],
): ((uri: string) => Promise<Store>) => {
  const random = hedged({ machine, home }, hashOf(utf8(home.identity)), 'stores')
  const open = async (uri: string): Promise<Store> => {
    const { openStore } = await import('../shards/stores/open.ts')
    return openStore(uri, { random, ...(environment === undefined ? {} : { environment }) })
  }
  const opened = new Map<string, Promise<Store>>()
  return (uri) => {
    const store = opened.get(uri) ?? open(uri)
    opened.set(uri, store)
    return store
  }
}
