import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, test } from 'vitest'
import { built } from '../support/cli.ts'
import { replay } from './transcript.ts'

beforeAll(built)

describe('transcripts', () => {
  for (const name of readdirSync(import.meta.dirname).filter((file) => file.endsWith('.txt')))
    test.concurrent(name, async () => {
      const work = mkdtempSync(join(tmpdir(), 'quorate transcript '))
      try {
        await replay(readFileSync(join(import.meta.dirname, name), 'utf8'), work)
      } finally {
        rmSync(work, { recursive: true, force: true })
      }
    })
})
