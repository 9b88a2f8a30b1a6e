import { hedged } from '../ceremony/hedge.ts'
import { openRoot } from '../host/disk.ts'
import { openHome } from '../identity/home.ts'
import { equal, toHex, utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import type { Random } from '../lib/ports.ts'
import { readDefinition } from '../records/definition-yaml.ts'
import { openStore } from '../shards/stores/open.ts'
import type { Store, StoreContext } from '../shards/stores/port.ts'
import { HOME_STORE, hostOfStore, regionOfStore, schemeOf } from '../shards/stores/table.ts'
import { machine } from './machine.ts'

/** A store as its name tells it: nobody was asked. */
export interface StoreNamed {
  readonly site: string
  /** This home's own; else another site's of the definition. */
  readonly own: boolean
  readonly store: string
  /** False for a text that names no store that this version can open. */
  readonly known: boolean
  readonly region: string | null
  /** The host to which credentials go, where it is none of the provider's own. */
  readonly host: string | null
}

/** One thing that a replica relies on, and whether it holds: `left` where it could not be tried. */
interface StoreCheck {
  readonly check: 'creates' | 'once' | 'reads' | 'swaps' | 'removes'
  readonly state: 'ok' | 'failed' | 'left'
  readonly said: string
  readonly hint: string | null
}

export interface StoreChecked extends StoreNamed {
  readonly checks: readonly StoreCheck[]
}

interface Wanted {
  readonly home: string
  /** Content of a definition, whose other sites' stores are named, and never asked. */
  readonly definition?: Uint8Array | undefined
  readonly environment?: StoreContext['environment']
}

const named = (site: string, own: boolean, store: string): StoreNamed => ({
  site,
  own,
  store,
  known: schemeOf(store) !== undefined,
  region: regionOfStore(store),
  host: hostOfStore(store),
})

/** All but the home's own disk, which is no store of its own. */
const storesOf = (site: string, own: boolean, stores: readonly string[]): readonly StoreNamed[] =>
  stores.filter((store) => store !== HOME_STORE).map((store) => named(site, own, store))

const using = async <T>(
  { home: folder, definition }: Wanted,
  act: (home: Awaited<ReturnType<typeof openHome>>, stores: readonly StoreNamed[]) => Promise<T>,
): Promise<T> => {
  const disk = await openRoot(folder)
  try {
    const home = await openHome(disk)
    const { name, stores } = await home.card()
    const sites = definition === undefined ? [] : (await readDefinition(definition)).sites
    const others = sites.filter(({ identity }) => identity !== home.identity)
    return await act(home, [
      ...storesOf(name, true, stores),
      ...others.flatMap((site) => storesOf(site.name, false, site.stores)),
    ])
  } finally {
    await disk.close()
  }
}

export const listStores = (wanted: Wanted): Promise<readonly StoreNamed[]> => using(wanted, async (_, stores) => stores)

const order = ['creates', 'once', 'reads', 'swaps', 'removes'] as const

const UNFIT = 'put nothing there; ask whoever runs the store for one that docs/stores.md describes'

/** Throws for a fault of the store; a text for what it does wrong. */
type Trial = () => Promise<{ readonly ok: boolean; readonly said: string }>

/** A throw-away object goes through all that becomes of a replica. */
const trials = (store: Store, name: string, random: Random): Readonly<Record<StoreCheck['check'], Trial>> => {
  const [first, second, third] = [random(64), random(64), random(64)]
  const read = async (bytes: Uint8Array): Promise<string | undefined> => {
    const found = await store.read(name)
    return found !== undefined && equal(found.bytes, bytes) ? found.tag : undefined
  }
  return {
    async creates() {
      const ok = await store.create(name, first)
      return { ok, said: ok ? `the probe ${name}` : 'it says that a name is taken which nobody took' }
    },
    async once() {
      const ok = !(await store.create(name, second))
      return { ok, said: ok ? 'and not a second time' : 'it put an object in the place of another' }
    },
    async reads() {
      const ok = (await read(first)) !== undefined && (await store.list('')).includes(name)
      return { ok, said: ok ? 'what was created, and lists it' : 'another object than was created, or none' }
    },
    async swaps() {
      const before = (await read(first)) ?? ''
      const swapped = await store.replace(name, second, before)
      const again = await store.replace(name, third, before)
      const ok = swapped && !again && (await read(second)) !== undefined
      return { ok, said: ok ? 'what it was shown, and nothing newer' : 'it replaces what its caller has not seen' }
    },
    async removes() {
      if ((await store.remove(name)) === 'kept')
        return { ok: true, said: 'not for good: versions or a lock keep it, so no wrapped piece may lie here' }
      const ok = (await store.read(name)) === undefined
      return { ok, said: ok ? 'for good' : 'it shows what it says is gone' }
    },
  }
}

const tryStore = async (open: () => Promise<Store>, random: Random): Promise<readonly StoreCheck[]> => {
  const checks: StoreCheck[] = []
  const left = (check: StoreCheck['check']): StoreCheck => ({ check, state: 'left', said: 'not tried', hint: null })
  try {
    const store = await open()
    const all = trials(store, `probe.${toHex(random(8))}`, random)
    for (const check of order) {
      // Without a probe nothing else can be told; with one it is taken away, whatever the rest was like.
      const made = checks[0]?.state !== 'failed'
      if (checks.length > 0 && (!made || (check !== 'removes' && checks.some(({ state }) => state !== 'ok')))) {
        checks.push(left(check))
        continue
      }
      checks.push(await tried(check, all[check]))
    }
    return checks
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error
    return order.map((check, n) =>
      n === 0 ? { check, state: 'failed', said: error.message, hint: error.hint } : left(check),
    )
  }
}

const tried = async (check: StoreCheck['check'], trial: Trial): Promise<StoreCheck> => {
  try {
    const { ok, said } = await trial()
    return { check, state: ok ? 'ok' : 'failed', said, hint: ok ? null : UNFIT }
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error
    return { check, state: 'failed', said: error.message, hint: error.hint }
  }
}

/** Asks each store of a home for what a replica relies on. Other sites' stores are none of this site's business. */
export const askStores = (wanted: Wanted): Promise<readonly StoreChecked[]> =>
  using(wanted, async (home, stores) => {
    const random = hedged({ machine, home }, hashOf(utf8(home.identity)), 'store doctor')
    const { environment } = wanted
    const context: StoreContext = { random, ...(environment === undefined ? {} : { environment }) }
    const all: StoreChecked[] = []
    for (const one of stores)
      all.push({ ...one, checks: one.own ? await tryStore(() => openStore(one.store, context), random) : [] })
    return all
  })
