import { QuorateError } from '../../lib/errors.ts'
import type { Store, StoreContext } from './port.ts'
import { HOME_STORE, type StoreScheme, schemeOf, storeSchemes, storeTable } from './table.ts'

const load: Readonly<Record<StoreScheme, () => Promise<(uri: string, context: StoreContext) => Promise<Store>>>> = {
  file: async () => (await import('./file.ts')).openFileStore,
  s3: async () => (await import('./s3.ts')).openS3Store,
  gs: async () => (await import('./gs.ts')).openGcsStore,
  azblob: async () => (await import('./azblob.ts')).openAzureStore,
}

const usage = (message: string, hint: string): QuorateError => new QuorateError('E_USAGE', message, hint)

/** Throws E_USAGE for a text that a card should not have as a store; without asking anybody. */
export const refuseUnfitStore = (text: string): void => {
  if (text === HOME_STORE || schemeOf(text) !== undefined) return
  if (text === 'bundle')
    throw usage(
      'bundle is no store of this version',
      'name the places where the sealed shard is to lie; nothing was made',
    )
  const scheme = storeSchemes.find((one) => text.startsWith(`${one}:`))
  if (scheme === undefined)
    throw usage(
      'a store is home, or written SCHEME:PLACE',
      `the schemes are ${storeSchemes.join(', ')}; for example ${storeTable.s3.example}`,
    )
  throw usage(
    `this is not the name of a store of ${scheme}`,
    `write it in full, without credentials, for example ${storeTable[scheme].example}`,
  )
}

/** Asks nobody yet, where the store lies elsewhere. Throws E_USAGE where the text names no store that can be opened. */
export const openStore = async (uri: string, context: StoreContext): Promise<Store> => {
  refuseUnfitStore(uri)
  const scheme = schemeOf(uri)
  if (scheme === undefined) throw usage('home is no store to open', 'name another place')
  return (await load[scheme]())(uri, context)
}
