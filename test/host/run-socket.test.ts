import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, symlink, utimes } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askOwner, claimHome, type HomeClaim } from '../../src/host/run-socket.ts'

let base: string
let home: string
const claims: HomeClaim[] = []

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'quorate-run-'))
  home = join(base, 'home')
  await mkdir(home, { mode: 0o700 })
})
afterEach(async () => {
  for (const claim of claims.splice(0)) await claim.release()
  await rm(base, { recursive: true })
})

const claim = async (folder = home): Promise<HomeClaim> => {
  const made = await claimHome(folder)
  claims.push(made)
  return made
}
const code = (error: unknown): unknown => (error as { code?: unknown }).code
const abort = { do: 'abort', ceremony: 'a' } as const

/** What a process leaves that was killed while it owned the home. */
const leaveStale = (): void => {
  const script = `require('net').createServer().listen('run.sock', () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script], { cwd: home })
}

describe('the one writer of a home', () => {
  it('is one of all that find a stale socket at once', async () => {
    leaveStale()
    expect(await readdir(home)).toEqual(['run.sock'])
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => claim()))
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const one of all) if (one.status === 'rejected') expect(code(one.reason)).toBe('E_HOME_BUSY')
    expect(await askOwner(home, abort)).toMatchObject({ ok: false, code: 'E_HOME_BUSY' })
  })

  it('is found under every spelling of the home', async () => {
    await symlink(home, join(base, 'other'))
    await claim()
    await expect(claim(join(base, 'other'))).rejects.toMatchObject({ code: 'E_HOME_BUSY' })
  })

  it.runIf(process.platform === 'linux')('is found in the home itself however long its path is', async () => {
    const long = join(home, 'x'.repeat(120))
    await mkdir(long, { mode: 0o700 })
    const first = await claim(long)
    first.handle(async () => ({ ok: true, result: null }))
    expect(await readdir(long)).toEqual(['run.sock'])
    const before = process.env['TMPDIR']
    process.env['TMPDIR'] = base
    try {
      await expect(claim(long)).rejects.toMatchObject({ code: 'E_HOME_BUSY' })
      expect(await askOwner(long, abort)).toEqual({ ok: true, result: null })
    } finally {
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
    }
    claims.length = 0
    await first.release()
    expect(await readdir(long)).toEqual([])
  })

  it('is one also where the socket has to be elsewhere, whatever TMPDIR each process has', async () => {
    const long = join(home, 'y'.repeat(120))
    await mkdir(long, { mode: 0o700 })
    const [platform, before] = [process.platform, process.env['TMPDIR']]
    Object.defineProperty(process, 'platform', { value: 'darwin' })
    try {
      const first = await claim(long)
      expect(await readdir(long)).toEqual([])
      process.env['TMPDIR'] = base
      await expect(claim(long)).rejects.toMatchObject({ code: 'E_HOME_BUSY' })
      claims.length = 0
      await first.release()
    } finally {
      Object.defineProperty(process, 'platform', { value: platform })
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
    }
  })

  it('is not kept out by a turn that a crash left behind', async () => {
    leaveStale()
    const turn = join(home, 'run.sock.turn')
    await mkdir(turn)
    await utimes(turn, 1, 1)
    await claim()
    expect(await readdir(home)).toEqual(['run.sock'])
  })

  it.each([
    ['hangs up', (socket: Socket) => socket.destroy()],
    ['answers what is no answer', (socket: Socket) => socket.resume().end('hm\n')],
  ])('is busy where it %s', async (_, act) => {
    const server = createServer(act).listen(join(home, 'run.sock'))
    await new Promise((resolve) => server.once('listening', resolve))
    await expect(askOwner(home, abort)).rejects.toMatchObject({ code: 'E_HOME_BUSY' })
    await new Promise((resolve) => server.close(resolve))
  })

  it('leaves the home to nobody before the work that it took is done', async () => {
    const owner = await claim()
    let finish = (): void => undefined
    const done = new Promise<void>((resolve) => {
      finish = resolve
    })
    const begun = new Promise<void>((resolve) => {
      owner.handle(async () => {
        resolve()
        await done
        return { ok: true, result: 'done' }
      })
    })
    const first = askOwner(home, abort)
    await begun
    const released = owner.release()
    const again = await askOwner(home, abort)
    const other = await claim().catch(code)
    finish()
    expect(again).toMatchObject({ code: 'E_HOME_BUSY', again: true })
    expect(other).toBe('E_HOME_BUSY')
    expect(await first).toEqual({ ok: true, result: 'done' })
    claims.length = 0
    await released
    await claim()
  })

  it.each([
    ['asks nothing', ''],
    ['never hears its answer', `${JSON.stringify(abort)}\n`],
  ])('leaves the home also where somebody %s', async (_, said) => {
    const owner = await claim()
    const answered = new Promise<void>((resolve) => {
      owner.handle(async () => {
        resolve()
        return { ok: true, result: null }
      })
    })
    // Halted: it reads nothing and ends nothing.
    const halted = connect({ path: join(home, 'run.sock'), allowHalfOpen: true }).pause()
    await new Promise((resolve) => halted.once('connect', resolve))
    halted.write(said)
    if (said !== '') await answered
    claims.length = 0
    await owner.release()
    halted.destroy()
  })

  it('is not waited for by a command that is stopped while it is halted', async () => {
    const held = new Set<Socket>()
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      held.add(socket)
      stop.abort()
    }).listen(join(home, 'run.sock'))
    const stop = new AbortController()
    await new Promise((resolve) => server.once('listening', resolve))
    const asked = askOwner(home, { do: 'join', ceremony: 'a' }, { ms: 20, onEvent: () => {}, signal: stop.signal })
    await expect(asked).rejects.toMatchObject({ code: 'E_HOME_BUSY', details: { ended: false } })
    for (const socket of held) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('an owner at work', () => {
  it('says so at once, and is heard to the end however long that takes', async () => {
    const owner = await claim()
    owner.handle(async (_, asker) => {
      for (const n of [1, 2]) {
        await delay(500)
        asker.tell({ n })
      }
      await delay(500)
      return { ok: true, result: 'done' }
    })
    const heard: unknown[] = []
    const answer = await askOwner(
      home,
      { do: 'join', ceremony: 'a' },
      { ms: 1000, onEvent: (event) => heard.push(event) },
    )
    expect(answer).toEqual({ ok: true, result: 'done' })
    expect(heard).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('that says nothing is not waited for', async () => {
    const server = createServer(() => undefined).listen(join(home, 'run.sock'))
    await new Promise((resolve) => server.once('listening', resolve))
    const sockets: Socket[] = []
    server.on('connection', (socket) => sockets.push(socket))
    const asked = askOwner(home, { do: 'join', ceremony: 'a' }, { ms: 50, onEvent: () => undefined })
    await expect(asked).rejects.toMatchObject({ code: 'E_HOME_BUSY', details: { ended: false } })
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  it('that ends before it has read or answered is known to have ended', async () => {
    const server = createServer((socket) => socket.destroy()).listen(join(home, 'run.sock'))
    await new Promise((resolve) => server.once('listening', resolve))
    for (let n = 0; n < 20; n++)
      await expect(askOwner(home, { do: 'join', ceremony: 'a' })).rejects.toMatchObject({
        code: 'E_HOME_BUSY',
        details: { ended: true },
      })
    await new Promise((resolve) => server.close(resolve))
  })

  it('hears that whoever asked waits no longer', async () => {
    const owner = await claim()
    owner.handle(
      (_, { gone }) =>
        new Promise((resolve) => {
          gone.addEventListener('abort', () => resolve({ ok: true, result: 'stopped' }))
        }),
    )
    const stop = new AbortController()
    const asked = askOwner(home, { do: 'join', ceremony: 'a' }, { onEvent: () => undefined, signal: stop.signal })
    stop.abort()
    expect(await asked).toEqual({ ok: true, result: 'stopped' })
  })
})
