// quorate, and what befalls it when it prints a line on stderr, or from its start. BEFALL is one of
//
//   SIGKILL LINE    killed where that line begins with LINE
//   SIGSTOP LINE    stopped there: it holds its home and its connections, and says nothing more
//   ENOSPC [LINE]   from there on its disk is full
//   EROFS [LINE]    from there on its file system can only be read
//
// The product has no switch for that: this file stands around Node's own `open` and `stderr`.
import { constants } from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const [what, ...rest] = (process.env.BEFALL ?? '').split(' ')
const line = rest.join(' ')
let befell = false

const befall = () => {
  befell = true
  if (!what.startsWith('SIG')) return
  process.kill(process.pid, what)
  while (what === 'SIGKILL');
}
if (line === '') befall()

const write = process.stderr.write.bind(process.stderr)
process.stderr.write = (text, ...more) => {
  const done = write(text, ...more)
  if (!befell && line !== '' && String(text).startsWith(line)) befall()
  return done
}

const refuse = () => {
  if (befell && !what.startsWith('SIG')) throw Object.assign(new Error(what), { code: what, syscall: 'write' })
}
const open = promises.open
promises.open = async (path, flags, ...more) => {
  const writes = typeof flags === 'number' && (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0
  if (writes && what === 'EROFS') refuse()
  const handle = await open(path, flags, ...more)
  if (!writes) return handle
  for (const name of ['writeFile', 'appendFile', 'sync']) {
    const done = handle[name].bind(handle)
    handle[name] = async (...given) => {
      refuse()
      return done(...given)
    }
  }
  return handle
}
syncBuiltinESMExports()

await import(new URL('../../bin/quorate.js', import.meta.url).href)
