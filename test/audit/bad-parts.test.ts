import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildBundle } from '../../src/audit/bundle.ts'
import type { SiteExport } from '../../src/audit/log-export.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { mergeFiles, showBundle } from '../../src/site/bundles.ts'
import { open, sharedChain } from '../support/bundles.ts'

let folder: string
let whole: string
let original: Uint8Array
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-parts-'))
  whole = join(folder, 'whole.bundle')
  original = (await sharedChain()).keygenBundle
  await writeFile(whole, original)
})
afterAll(() => rm(folder, { recursive: true }))

/** The bundle with one site's part changed, and a manifest that says so. */
const changed = async (change: Partial<SiteExport>): Promise<string> => {
  const bundle = await open(original)
  const sites = new Map<SiteId, SiteExport>()
  for (const [n, site] of bundle.manifest.logs.entries())
    sites.set(site, {
      events: await bundle.eventBytes(site),
      checkpoint: fromUtf8(await bundle.checkpoint(site)),
      ledger: await bundle.ledger(site),
      ...(n === 0 ? change : {}),
    })
  const built = await buildBundle({
    definition: bundle.definitionBytes,
    sites,
    outputs: new Map(),
    object: (hash) => bundle.object(hash),
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of built.finish({ cosignatures: new Map(), signatures: new Map() })) chunks.push(chunk)
  const path = join(folder, 'changed.bundle')
  await writeFile(path, Buffer.concat(chunks))
  return path
}

it.each<[string, Partial<SiteExport>]>([
  ['ledger', { ledger: utf8('no ledger') }],
  ['checkpoint', { checkpoint: 'no checkpoint\n' }],
])('a %s that is none is the bundle’s fault when it is merged', async (_, change) => {
  const path = await changed(change)
  const merged = mergeFiles([path, whole], 'out', async (bytes) => {
    for await (const _chunk of bytes);
  })
  await expect(merged).rejects.toMatchObject({ name: 'QuorateError', exit: 1 })
  const same = mergeFiles([path, path], 'out', async () => undefined)
  await expect(same).rejects.toMatchObject({ code: 'E_BUNDLE' })
  await expect(showBundle(path, true)).resolves.toMatchObject({ kind: 'keygen' })
})
