import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { bundleView } from '../../src/cli/render/audit.ts'
import { showBundle } from '../../src/site/bundles.ts'

it('audit show names who contradicted itself, who left and why', async () => {
  const shown = await showBundle(fileURLToPath(new URL('../compat/v0.1/abort.bundle', import.meta.url)), false)
  expect(shown.accused).toEqual([{ site: 'us', check: 'share-commitment' }])
  expect(shown.left).toContainEqual({ who: 'eu', reason: 'blame: share-commitment' })
  const lines = bundleView(shown).flatMap((line) => (typeof line === 'string' ? [] : [`${line.label} ${line.text}`]))
  expect(lines).toContain('blame us contradicts itself: share-commitment')
  expect(lines).toContain('left eu: blame: share-commitment')
})
