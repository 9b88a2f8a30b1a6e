import { loadOptional } from '../../lib/call.ts'
import { QuorateError } from '../../lib/errors.ts'

/** Faults by what happened at a store, whatever the store calls it. */
const faults = {
  refused: [
    'refuses this site',
    'let this site use it (docs/stores.md names the rights that it needs), then run the same command again',
  ],
  missing: ['is not there', 'make it as docs/stores.md says, or write its name into site.yaml as it is there'],
  unfit: [
    'takes no such request',
    'make it as docs/stores.md says; not every compatible server has all that is needed',
  ],
  locked: ['keeps what is there', 'wait until its lock ends, or let its administrators take away the hold'],
  throttled: ['is asked too often', 'run the same command again later'],
  unreachable: ['cannot be reached', 'look at network and credentials, then run it again'],
  damaged: [
    'holds an object whose bytes are not those that were put there',
    'ask whoever runs the store; remove the object, and put it there anew from another store',
  ],
  'wrong answer': [
    'was not the one that answered, or its answer was changed on the way',
    'run it again; if it stays so, ask whoever runs the store and the network between',
  ],
} as const satisfies Readonly<Record<string, readonly [says: string, hint: string]>>

export type StoreFault = keyof typeof faults

/** The store is named by its URI. `more` is what the store itself said, or which part of its answer is wrong. */
export const storeFault = (what: StoreFault, uri: string, more = '', cause?: unknown): QuorateError => {
  const [says, hint] = faults[what]
  return new QuorateError(
    'E_STORE',
    `the store ${uri} ${says}${more === '' ? '' : ` (${more})`}`,
    hint,
    { store: what },
    cause,
  )
}

/** A store's SDK is loaded where such a store is opened. Throws E_STORE where it is not installed. */
export const loadSdk = <T>(name: string, load: () => Promise<T>): Promise<T> =>
  loadOptional(name, load, 'E_STORE', 'a store of this site')
