import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openStore } from '../../src/shards/stores/open.ts'
import { storeComplies } from '../compliance/stores.ts'

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const root = mkdtempSync(join(tmpdir(), 'quorate-store-'))
afterAll(() => rmSync(root, { recursive: true }))

storeComplies('a folder', async () => ({
  open: () => openStore(`file:${root}`, { random }),
  async spoil(name) {
    const path = join(root, name, readdirSync(join(root, name)).at(-1) ?? '')
    const bytes = readFileSync(path)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    writeFileSync(path, bytes)
  },
}))
