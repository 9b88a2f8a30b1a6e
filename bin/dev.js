#!/usr/bin/env node
// Runs src/ as it stands, without a build. For development only: no guard of bin/quorate.js is in force.
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'

register('../scripts/ts-hooks.mjs', import.meta.url)
const { main } = await import('../src/cli/main.ts')
await main(process.argv.slice(2), fileURLToPath(new URL('..', import.meta.url)), './src/commands')
