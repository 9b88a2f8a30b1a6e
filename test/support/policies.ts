import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './cli.ts'

/** A policy document of ceremonies/policies, which is to allow what a provider asks for, and nothing else. */
export const policy = <T>(name: string): T =>
  JSON.parse(readFileSync(join(root, 'ceremonies/policies', name), 'utf8')) as T
