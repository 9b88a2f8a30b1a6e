import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, lstat, mkdir, open, realpath, rmdir, stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { QuorateError } from '../lib/errors.ts'
import { errno } from './disk-error.ts'

/** Node cuts a longer socket path without an error. */
const LONGEST_PATH = 100
const SOCKET = 'run.sock'
/** Taking the place of a stale socket is a matter of milliseconds. */
const ABANDONED_MS = 5000
/** One line of a request or an answer: a definition of 32 sites has its place in one. */
const MOST_BYTES = 2 ** 20
const ANSWER_MS = 30_000
/** An answer that is not heard yet when the home is released, or a request that is just on its way, gets so long. */
const LAST_MS = 500

/** A request of another command to the process that owns a home. */
export interface HomeRequest {
  /** `running`: whether it is this ceremony that runs. */
  readonly do: 'abort' | 'approved' | 'running' | 'join' | 'suspend'
  /** Of each but `suspend`, which is about a key. */
  readonly ceremony?: string
  readonly key?: string
  readonly suspended?: boolean
  /** Canonical JSON. */
  readonly definition?: string
  readonly reason?: string
  readonly object?: string
  readonly check?: boolean
}
export type HomeAnswer =
  | { readonly ok: true; readonly result: unknown }
  | {
      readonly ok: false
      readonly code: string
      readonly message: string
      readonly hint: string
      readonly details?: Readonly<Record<string, unknown>>
      /** The same request may be answered in a moment, by this process or another. */
      readonly again?: boolean
    }

/** Whoever asked, while its work is done. */
export interface Asker {
  tell(event: object | string): void
  /** Aborted when it waits no longer. */
  readonly gone: AbortSignal
}
/** The request is any JSON: another build of this program may ask. */
type HomeHandler = (request: unknown, asker: Asker) => Promise<HomeAnswer>

/** Where the socket of a home is, by a path that is short enough for one. */
interface Place {
  readonly path: string
  close(): Promise<void>
}

/** The same for every process of this user: TMPDIR may differ from one to the next, and then both would write. */
const SHARED = '/tmp'

const elsewhere = async (home: string): Promise<Place> => {
  const self = process.getuid?.() ?? -1
  const folder = join(SHARED, `quorate-${self}`)
  await mkdir(folder, { mode: 0o700, recursive: true })
  const { uid, mode } = await lstat(folder)
  if (uid !== self || (mode & 0o077) !== 0)
    throw new QuorateError(
      'E_HOME',
      `${folder} belongs to somebody else`,
      'remove it, or move this home to a shorter path',
    )
  const name = createHash('sha256').update(home).digest('hex').slice(0, 32)
  return { path: join(folder, `${name}.sock`), close: async () => {} }
}

/** In the home itself where that can be: whatever differs between two processes, they meet in the folder they share. */
const placeOf = async (folder: string): Promise<Place> => {
  // Two spellings of one home are one home.
  const home = await realpath(folder)
  const plain = join(home, SOCKET)
  if (Buffer.byteLength(plain) <= LONGEST_PATH) return { path: plain, close: async () => {} }
  if (process.platform !== 'linux') return elsewhere(home)
  const handle = await open(home, constants.O_RDONLY | constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${handle.fd}/${SOCKET}`, close: () => handle.close() }
}

/** First word of an owner that has begun work which takes long: a process that is halted says nothing at all. */
const TAKEN = 'taken'
const CLOSED = 'closed'

/** A line over the limit ends the connection. */
const readLines = (socket: Socket, take: (line: string) => void): void => {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = `${text}${chunk}`.split('\n')
    text = lines.pop() ?? ''
    if (text.length > MOST_BYTES) socket.destroy(new Error('too long'))
    else for (const line of lines) take(line)
  })
}

const firstLine = (socket: Socket): Promise<string> =>
  new Promise((resolve, reject) => {
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('no request')))
    readLines(socket, resolve)
    socket.on('error', reject)
    for (const end of ['end', 'close']) socket.once(end, () => reject(new Error('closed')))
  })

interface Asking {
  /** Milliseconds until the owner's first word, and until its answer once it is told to stop. */
  readonly ms?: number
  /** Called with each word before the answer. */
  readonly onEvent?: (event: unknown) => void
  /** Tells the owner to stop the work; its answer is still awaited. */
  readonly signal?: AbortSignal
}

const converse = (
  socket: Socket,
  request: HomeRequest,
  { ms = ANSWER_MS, onEvent, signal }: Asking,
): Promise<HomeAnswer> =>
  new Promise((resolve, reject) => {
    const limit = (): unknown => socket.setTimeout(ms, () => socket.destroy(new Error('no answer')))
    let stopping = false
    limit()
    readLines(socket, (line) => {
      if (!stopping) socket.setTimeout(0)
      try {
        const said = JSON.parse(line) as HomeAnswer | { readonly event: unknown }
        if (!('event' in said)) resolve(said)
        else if (said.event !== TAKEN) onEvent?.(said.event)
      } catch (error) {
        reject(error)
      }
    })
    const stop = (): void => {
      stopping = true
      socket.end()
      // A process that is halted answers nobody, and whoever stops is not to wait for it.
      limit()
    }
    socket.on('error', reject)
    socket.on('close', () => {
      signal?.removeEventListener('abort', stop)
      reject(new Error(CLOSED))
    })
    socket.write(`${JSON.stringify(request)}\n`)
    if (signal?.aborted === true) stop()
    signal?.addEventListener('abort', stop)
  })

/** Asks the process that owns this home; undefined where none does. Throws E_HOME_BUSY where it does not answer. */
export const askOwner = async (
  home: string,
  request: HomeRequest,
  asking: Asking = {},
): Promise<HomeAnswer | undefined> => {
  const place = await placeOf(home)
  const socket = connect(place.path)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ECONNREFUSED') return undefined
    throw error
  } finally {
    await place.close()
  }
  try {
    return await converse(socket, request, asking)
  } catch (error) {
    throw unanswered(error)
  } finally {
    socket.destroy()
  }
}

export interface HomeClaim {
  /** Sets the handler that answers from now on. */
  handle(handler: HomeHandler): void
  /** Takes no further request, waits for the work of those that it took, and only then leaves the home to others. */
  release(): Promise<void>
}

/** A process that is killed before it read what was sent to it leaves the one or the other of these. */
const isEnd = (cause: unknown): boolean =>
  (cause instanceof Error && cause.message === CLOSED) || ['ECONNRESET', 'EPIPE'].includes(errno(cause) ?? '')

/** `ended`: the process is gone, and not only silent. */
const unanswered = (cause: unknown): QuorateError =>
  new QuorateError(
    'E_HOME_BUSY',
    'the process that runs from this home did not answer',
    'it may be stopped or hang: look at it, and see with status whether it took the work; then run the same command again',
    { ended: isEnd(cause) },
    cause,
  )

const busy = (): QuorateError =>
  new QuorateError(
    'E_HOME_BUSY',
    'another quorate process runs from this home',
    'wait until it ends, or stop it; a home has one writer',
  )

const answer = async (socket: Socket, handler: HomeHandler): Promise<void> => {
  const gone = new AbortController()
  try {
    const request: unknown = JSON.parse(await firstLine(socket))
    socket.setTimeout(0)
    // Whoever waits no longer ends its side, or is killed.
    for (const end of ['end', 'close']) socket.once(end, () => gone.abort())
    if (socket.readableEnded) gone.abort()
    const tell = (event: object | string): void => {
      if (!socket.destroyed) socket.write(`${JSON.stringify({ event })}\n`)
    }
    if ((request as { do?: unknown } | null)?.do === 'join') tell(TAKEN)
    const said = await handler(request, { tell, gone: gone.signal })
    // Whoever asked may be halted and never end its side: what it was told waits for it in the kernel.
    socket.end(`${JSON.stringify(said)}\n`, () => socket.destroy())
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

/** True where somebody answers; undefined where no socket is. */
const answers = (path: string): Promise<boolean | undefined> =>
  new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error) => resolve(errno(error) === 'ENOENT' ? undefined : false))
  })

/**
 * One process at a time looks at the socket and takes its place: of two that find a stale one, the slower would remove
 * the live socket of the faster, and both would write. A folder that a crash left behind is taken for nobody's after a
 * while.
 */
const alone = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  const turn = `${path}.turn`
  const until = performance.now() + 2 * ABANDONED_MS
  for (;;) {
    try {
      await mkdir(turn, 0o700)
      break
    } catch (error) {
      if (errno(error) !== 'EEXIST') throw error
      if (performance.now() > until) throw busy()
    }
    const since = await stat(turn).then(({ mtimeMs }) => mtimeMs, Date.now)
    if (Math.abs(Date.now() - since) > ABANDONED_MS) await rmdir(turn).catch(() => undefined)
    else await delay(5)
  }
  try {
    return await work()
  } finally {
    await rmdir(turn).catch(() => undefined)
  }
}

const AT_WORK: HomeAnswer = {
  ok: false,
  code: 'E_HOME_BUSY',
  message: 'another command is at work in this home',
  hint: 'try again in a moment',
  again: true,
}

/** Makes this process the one writer of a home. A socket that nobody answers is stale. Throws E_HOME_BUSY. */
export const claimHome = async (home: string): Promise<HomeClaim> => {
  const place = await placeOf(home)
  let current: HomeHandler = async () => AT_WORK
  const working = new Set<Promise<unknown>>()
  const sockets = new Set<Socket>()
  const take: HomeHandler = async (request, asker) => {
    const work = current(request, asker)
    working.add(work)
    try {
      return await work
    } finally {
      working.delete(work)
    }
  }
  // A command that ends its side has more to hear.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    void answer(socket, take)
  })
  server.unref()
  try {
    await alone(place.path, async () => {
      const found = await answers(place.path)
      if (found === true) throw busy()
      if (found === false) await unlink(place.path)
      await listen(server, place.path)
      await chmod(place.path, 0o600)
    })
  } catch (error) {
    // Else it would go on answering in the name of nobody.
    server.close()
    await place.close()
    throw error
  }
  return {
    handle: (handler) => {
      current = handler
    },
    async release() {
      current = async () => AT_WORK
      await Promise.allSettled(working)
      // The next owner may come once the socket is gone, which is at once.
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.setTimeout(LAST_MS)
      await closed
      // The socket's path leads through the folder until it is gone.
      await place.close()
    },
  }
}
