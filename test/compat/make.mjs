// node test/compat/make.mjs v0.2
//
// Writes what this version leaves behind into test/compat/v0.2, once, when a version is released: every later one must
// go on reading it. A folder that is there is never written again.
import { register } from 'node:module'

register('../../scripts/ts-hooks.mjs', import.meta.url)
const { make } = await import('./make.ts')
await make(process.argv[2])
