import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRoot, withRoot } from '../../src/host/disk.ts'
import { memoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { simDisk } from '../support/sim-disk.ts'
import { diskComplies } from './disk.ts'

diskComplies('a folder of this machine', async () => {
  const base = await mkdtemp(join(tmpdir(), 'quorate disk '))
  const root = join(base, 'a home')
  const open = [await withRoot(root, async (made) => made)]
  return {
    disk: open[0] as (typeof open)[0],
    reopen: async () => {
      const again = await openRoot(root)
      open.push(again)
      return again
    },
    close: async () => {
      for (const one of open) await one.close()
      await rm(base, { recursive: true })
    },
  }
})

diskComplies('a disk in memory', async () => {
  const disk = memoryDisk()
  return { disk, reopen: async () => disk }
})

diskComplies('a disk that loses what was not synced', async () => {
  const disk = simDisk()
  return {
    disk,
    reopen: async () => {
      disk.reboot()
      return disk
    },
  }
})
