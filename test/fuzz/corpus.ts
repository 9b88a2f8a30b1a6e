import { readFileSync } from 'node:fs'
import { type BundleReader, readBundle } from '../../src/audit/bundle.ts'
import { bufferSource } from '../../src/audit/tar.ts'
import type { Hash } from '../../src/lib/brand.ts'
import type { LogEvent } from '../../src/records/event.ts'
import {
  open,
  sharedFencedChain,
  sharedReadmittedChain,
  sharedReconstructedChain,
  sharedRewrappedChain,
} from '../support/bundles.ts'

/** What a key generation, a signature and an aborted key generation left: the good values that are changed. */
export interface Corpus {
  readonly bundles: Readonly<Record<'keygen' | 'sign' | 'abort', Uint8Array>>
  readonly readers: Readonly<Record<'keygen' | 'sign' | 'abort', BundleReader>>
  /** Bodies of events of this name, each once. */
  bodies(what: LogEvent['what']): readonly Uint8Array[]
  file(name: string): Uint8Array
}

const folder = new URL('../compat/v0.1/', import.meta.url)
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)))

export const loadCorpus = async (): Promise<Corpus> => {
  const bundles = { keygen: read('keygen.bundle'), sign: read('sign.bundle'), abort: read('abort.bundle') }
  const [keygen, sign, abort] = await Promise.all(
    [bundles.keygen, bundles.sign, bundles.abort].map((bytes) => readBundle(bufferSource(bytes))),
  )
  if (keygen === undefined || sign === undefined || abort === undefined) throw new Error('no bundles')
  const byName = new Map<LogEvent['what'], Map<Hash, Uint8Array>>()
  const take = async (reader: BundleReader): Promise<void> => {
    for (const site of reader.manifest.logs)
      for await (const batch of reader.events(site))
        for (const { event } of batch) {
          const body = event.object === null ? undefined : await reader.object(event.object)
          if (body === undefined || event.object === null) continue
          const known = byName.get(event.what) ?? new Map<Hash, Uint8Array>()
          byName.set(event.what, known.set(event.object, body))
        }
  }
  for (const reader of [keygen, sign, abort]) await take(reader)
  // Records and versions that v0.1 did not have are said by the ceremonies of today.
  const today = await sharedReconstructedChain()
  const { emergencyBundle } = await sharedFencedChain()
  const { readmitBundle } = await sharedReadmittedChain()
  const { rewrapBundle } = await sharedRewrappedChain()
  for (const bytes of [
    today.keygenBundle,
    today.signBundle,
    today.refreshBundle,
    today.reconstructBundle,
    emergencyBundle,
    readmitBundle,
    rewrapBundle,
  ])
    await take(await open(bytes))
  return {
    bundles,
    readers: { keygen, sign, abort },
    bodies: (what) => {
      const found = [...(byName.get(what)?.values() ?? [])]
      if (found.length === 0) throw new Error(`no ${what} in the corpus`)
      return found
    },
    file: read,
  }
}
