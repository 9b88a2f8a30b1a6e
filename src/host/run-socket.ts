import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { QuorateError } from '../lib/errors.ts'
import { errno } from './disk-error.ts'

/** Node cuts a longer socket path without an error. */
const LONGEST_PATH = 100
const MOST_BYTES = 65_536
const ANSWER_MS = 30_000

/** What another command asks of the process that owns a home. */
export interface HomeRequest {
  readonly do: 'abort' | 'approved'
  readonly ceremony: string
  readonly reason?: string
  readonly object?: string
}
export type HomeAnswer =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly hint: string }
export type HomeHandler = (request: HomeRequest) => Promise<HomeAnswer>

const socketPath = async (home: string): Promise<string> => {
  const plain = join(home, 'run.sock')
  if (Buffer.byteLength(plain) <= LONGEST_PATH) return plain
  const folder = join(tmpdir(), `quorate-${userInfo().uid}`)
  await mkdir(folder, { mode: 0o700, recursive: true })
  const { uid, mode } = await lstat(folder)
  if (uid !== userInfo().uid || (mode & 0o077) !== 0)
    throw new QuorateError(
      'E_HOME',
      `${folder} belongs to somebody else`,
      'remove it, or move this home to a shorter path',
    )
  return join(folder, `${createHash('sha256').update(home).digest('hex').slice(0, 32)}.sock`)
}

const readLine = (socket: Socket): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    socket.setEncoding('utf8')
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('no answer')))
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.length > MOST_BYTES) socket.destroy(new Error('too long'))
      else if (text.endsWith('\n')) resolve(text)
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed')))
  })

/** Asks the process that owns this home; undefined where none does. */
export const askOwner = async (home: string, request: HomeRequest): Promise<HomeAnswer | undefined> => {
  const socket = connect(await socketPath(home))
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ECONNREFUSED') return undefined
    throw error
  }
  socket.write(`${JSON.stringify(request)}\n`)
  try {
    return JSON.parse(await readLine(socket)) as HomeAnswer
  } finally {
    socket.destroy()
  }
}

export interface HomeClaim {
  /** What answers from now on. */
  handle(handler: HomeHandler): void
  release(): Promise<void>
}

const busy = (): QuorateError =>
  new QuorateError(
    'E_HOME_BUSY',
    'another quorate process runs from this home',
    'wait until it ends, or stop it; a home has one writer',
  )

const answer = async (socket: Socket, handler: HomeHandler): Promise<void> => {
  try {
    const request = JSON.parse(await readLine(socket)) as HomeRequest
    socket.end(`${JSON.stringify(await handler(request))}\n`)
  } catch {
    socket.destroy()
  }
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })

/** Makes this process the one writer of a home. A socket that nobody answers is stale. Throws E_HOME_BUSY. */
export const claimHome = async (home: string): Promise<HomeClaim> => {
  const path = await socketPath(home)
  let current: HomeHandler = async () => ({
    ok: false,
    code: 'E_HOME_BUSY',
    message: 'this home is just being opened',
    hint: 'try again in a moment',
  })
  const server = createServer((socket) => {
    void answer(socket, (request) => current(request))
  })
  for (let tries = 0; ; tries++) {
    try {
      await listen(server, path)
      break
    } catch (error) {
      if (errno(error) !== 'EADDRINUSE' || tries > 2) throw errno(error) === 'EADDRINUSE' ? busy() : error
      const alive = await new Promise<boolean>((resolve) => {
        const probe = connect(path)
        probe.once('connect', () => {
          probe.destroy()
          resolve(true)
        })
        probe.once('error', () => resolve(false))
      })
      if (alive) throw busy()
      await unlink(path).catch(() => undefined)
    }
  }
  await chmod(path, 0o600)
  server.unref()
  return {
    handle: (handler) => {
      current = handler
    },
    release: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
