// quorate, killed at its n-th barrier: the n-th sync of a log or of the ledger, right before it or right after it. The
// product has no switch for that: this file stands around Node's own `open`. QUORATE_BARRIERS: a file that gets the count.
import { appendFileSync } from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const { KILL_AT, KILL_WHEN, QUORATE_BARRIERS } = process.env
const at = KILL_AT === undefined ? -1 : Number(KILL_AT)
const open = promises.open
let barriers = 0

const die = () => {
  process.kill(process.pid, 'SIGKILL')
  for (;;);
}

promises.open = async (path, ...rest) => {
  const handle = await open(path, ...rest)
  if (!/\/(?:log|ledger)$/.test(String(path))) return handle
  const sync = handle.sync.bind(handle)
  handle.sync = async () => {
    const mine = barriers++
    if (QUORATE_BARRIERS !== undefined) appendFileSync(QUORATE_BARRIERS, '.')
    if (mine === at && KILL_WHEN === 'before') die()
    await sync()
    if (mine === at) die()
  }
  return handle
}
syncBuiltinESMExports()

await import(new URL('../../bin/quorate.js', import.meta.url).href)
