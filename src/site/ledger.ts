import { headsIn, KEEP_HOME, type LogView, openLog, readLog } from '../audit/disk-log.ts'
import type { Log } from '../audit/log.ts'
import { ledgerOrigin } from '../audit/note.ts'
import { refuseSuspended, type Suspended, suspendedIn } from '../ceremony/epoch/suspended.ts'
import { isCeremonyFolder } from '../ceremony/paths.ts'
import { systemClock } from '../host/clock.ts'
import type { Home } from '../identity/home.ts'
import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Disk } from '../lib/ports.ts'

const LEDGER = 'ledger'
/** The ledger of a home, for its one writer. Throws E_LOG where it is lost, or cut below what a log of this home names. */
export const openLedger = async (disk: Disk, home: Home): Promise<Log> => {
  const ledger = await openLog({
    ...{ disk, path: LEDGER, origin: ledgerOrigin(home.identity), signer: home.keys.log },
    mayOpen: (log) => (log.head === undefined ? refuseLost(disk) : refuseCut(disk, home, log)),
  })
  if (ledger.size > 0) return ledger
  ledger.append({ at: systemClock.now(), what: 'created', ceremony: null, site: null, object: null })
  await ledger.barrier()
  return ledger
}

const logsIn = async (disk: Disk): Promise<readonly string[]> =>
  (await disk.list('ceremonies')).filter(isCeremonyFolder).map((name) => `ceremonies/${name}/log`)

/** Something else in the place of a log is the fault of its own ceremony. */
const bytesAt = async (disk: Disk, path: string): Promise<Uint8Array | undefined> => {
  try {
    return await disk.read(path)
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'E_FILE') return new Uint8Array()
    throw error
  }
}

/** Throws E_LOG where a home whose ledger says nothing holds what is made after the ledger began. */
const refuseLost = async (disk: Disk): Promise<void> => {
  const found = (await disk.list('keys')).map((name) => `keys/${name}`)
  for (const path of await logsIn(disk)) if ((await bytesAt(disk, path)) !== undefined) found.push(path)
  if (found.length === 0) return
  throw new QuorateError(
    'E_LOG',
    `the ledger of this home is missing or holds nothing, and ${found[0]} is there`,
    KEEP_HOME,
  )
}

/** Each log names the ledger's head of the moment in which it was opened. */
const refuseCut = async (disk: Disk, home: Home, ledger: LogView): Promise<void> => {
  for (const path of await logsIn(disk))
    for (const { size, root } of headsIn(
      (await bytesAt(disk, path)) ?? new Uint8Array(),
      ledger.origin,
      home.keys.log.key,
    ))
      if (size > ledger.size || ledger.root(size) !== root)
        throw new QuorateError(
          'E_LOG',
          `the ledger of this home is cut or another one: ${path} names a longer one`,
          KEEP_HOME,
        )
}

/** The ledger as its last barrier left it, for those who only look. */
export const lookAtLedger = (disk: Disk, home: Home): Promise<LogView> =>
  readLog({ disk, path: LEDGER, origin: ledgerOrigin(home.identity), key: home.keys.log.key })

/** The words of a ledger about keys. */
export interface KeyWords {
  /** When this site installed each record, by its own clock, in milliseconds since 1970. */
  readonly installed: ReadonlyMap<Hash, number>
  readonly suspended: ReadonlyMap<Hash, Suspended>
  /** The emergency in which this site promised to leave a key alone. */
  readonly fenced: ReadonlyMap<Hash, Hash>
}

export const NO_WORDS: KeyWords = { installed: new Map(), suspended: new Map(), fenced: new Map() }

/** Emergencies in which this site promised to leave a key alone, by the key; the last one of each. */
export const fencedByLedger = (ledger: Pick<LogView, 'replay'>): KeyWords['fenced'] =>
  new Map(
    [...ledger.replay()].flatMap(({ what, ceremony, object }) =>
      what === 'fenced' && ceremony !== null && object !== null ? [[object, ceremony] as const] : [],
    ),
  )

/** Throws E_NOT_ALLOWED where this home suspended the key, and E_LOG where its ledger cannot be read. */
export const refuseSuspendedAt = async (disk: Disk, home: Home, key: Hash): Promise<void> =>
  refuseSuspended(await lookAtLedger(disk, home), key)

/** None where the ledger cannot be read. */
export const keyWords = async (disk: Disk, home: Home): Promise<KeyWords> => {
  try {
    const ledger = await lookAtLedger(disk, home)
    const installed = [...ledger.replay()].filter(({ what }) => what === 'installed')
    return {
      installed: new Map(installed.flatMap(({ object, at }) => (object === null ? [] : [[object, at]]))),
      suspended: suspendedIn(ledger),
      fenced: fencedByLedger(ledger),
    }
  } catch (error) {
    if (error instanceof QuorateError) return NO_WORDS
    throw error
  }
}
