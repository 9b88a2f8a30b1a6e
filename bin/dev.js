#!/usr/bin/env node
// Builds what changed and runs it. For development: the guard of bin/quorate.js is not in force, so a debugger may attach.
import { fileURLToPath } from 'node:url'
import { buildIfStale } from '../scripts/build.mjs'

await buildIfStale()
const { main } = await import('../dist/cli/main.js')
await main(process.argv.slice(2), fileURLToPath(new URL('..', import.meta.url)))
