import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished, quorate, type Ran, type RunOptions, start } from '../support/cli.ts'

/** A new folder with a space in its name, and its removal. */
export const newFolder = (name: string): { readonly path: string; remove(): void } => {
  const path = realpathSync(mkdtempSync(join(tmpdir(), `quorate ${name} `)))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Waits until a process is gone; false where it is there after `ms`. */
export const gone = async (pid: number, ms = 2000): Promise<boolean> => {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    try {
      process.kill(pid, 0)
    } catch {
      return true
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

/** Everything in a folder, the folder itself first: path, whether it is a folder, permission bits. */
export const entriesIn = (folder: string): { path: string; folder: boolean; mode: number }[] =>
  [folder, ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path))].map(
    (path) => {
      const found = statSync(path)
      return { path, folder: found.isDirectory(), mode: found.mode & 0o777 }
    },
  )

// biome-ignore lint/suspicious/noExplicitAny: a document of any command
export type Document = any

export interface Told extends Ran {
  readonly document: Document
}

/** Runs a command with --json: its one document, which is all of stdout. */
export const told = async (args: readonly string[], options: RunOptions = {}): Promise<Told> => {
  const ran = await quorate([...args, '--json', '--no-input'], options)
  return { ...ran, document: documentIn(ran) }
}

const documentIn = ({ stdout, stderr }: Ran): Document => {
  try {
    return JSON.parse(stdout)
  } catch {
    throw new Error(`not one JSON document: ${stdout}\n${stderr}`)
  }
}

export interface Background {
  readonly pid: number
  /** Events that the process told so far (--json-events). */
  readonly events: readonly Document[]
  /** Resolves at the first event that fits; rejects where the process ends before. */
  event(fits: (event: Document) => boolean): Promise<Document>
  readonly ended: Promise<Told>
  kill(signal: NodeJS.Signals): void
}

/** Starts a command with --json and --json-events and leaves it running. */
export const inBackground = (args: readonly string[], options: RunOptions = {}): Background => {
  const child = start([...args, '--json', '--json-events', '--no-input'], options)
  child.stdin?.on('error', () => {})
  child.stdin?.end()
  const events: Document[] = []
  const waiting = new Set<() => void>()
  let rest = ''
  child.stderr?.on('data', (chunk: Buffer | string) => {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('{')) events.push(JSON.parse(line))
    for (const look of waiting) look()
  })
  const ended = finished(child).then((ran) => ({ ...ran, document: documentIn(ran) }))
  ended.catch(() => undefined)
  return {
    pid: child.pid ?? 0,
    events,
    ended,
    event: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = events.find(fits)
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
        ended.then(
          (ran) => reject(new Error(`ended with ${ran.code} before: ${ran.stdout}${ran.stderr}`)),
          (error: unknown) => reject(error),
        )
      }),
    kill: (signal) => void child.kill(signal),
  }
}

export interface RunningRelay {
  readonly url: string
  /** As --relay takes it. */
  readonly address: string
  readonly pid: number
  stop(): Promise<Ran>
}

export const serveRelay = async (args: readonly string[] = ['--port', '0']): Promise<RunningRelay> => {
  const child = start(['relay', 'serve', ...args, '--json'])
  const ended = finished(child)
  let text = ''
  const shown = await new Promise<Document>((resolve, reject) => {
    child.stdout?.on('data', (chunk: string) => {
      text += chunk
      if (text.endsWith('}\n')) resolve(JSON.parse(text))
    })
    ended.then((ran) => reject(new Error(`the relay ended with ${ran.code}: ${ran.stderr}`)), reject)
  })
  return {
    url: shown.url,
    address: shown.address,
    pid: child.pid ?? 0,
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
  }
}

interface CloudKey {
  /** As --kms takes it. */
  readonly kms?: string
  readonly env: Readonly<Record<string, string>>
}

/** Three sites of one person on one machine, each with a home of its own and a KMS key outside of it. */
export class Group {
  readonly folder: string
  readonly names: readonly string[]
  /** Of sites whose key is no local one. */
  readonly clouds: Readonly<Record<string, CloudKey>>

  constructor(
    folder: string,
    names: readonly string[] = ['eu', 'us', 'ap'],
    clouds: Readonly<Record<string, CloudKey>> = {},
  ) {
    this.folder = folder
    this.names = names
    this.clouds = clouds
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** The environment of one site's terminal. */
  as(site: string, env: Readonly<Record<string, string>> = {}): RunOptions {
    const home = { QUORATE_HOME: this.path(site), HOME: this.path('user') }
    return { cwd: this.folder, env: { ...home, ...this.clouds[site]?.env, ...env } }
  }

  run(site: string, ...args: string[]): Promise<Told> {
    return told(args, this.as(site))
  }

  join(
    site: string,
    topic: 'keygen' | 'sign' | 'rotate' | 'recover',
    definition: string,
    ...more: string[]
  ): Background {
    return inBackground([topic, 'join', '--definition', definition, ...more], this.as(site))
  }

  async create(): Promise<void> {
    mkdirSync(this.path('user'), { recursive: true, mode: 0o700 })
    await Promise.all(this.names.map((name) => this.createOne(name)))
  }

  async createOne(name: string): Promise<Told> {
    const made = await this.run(
      name,
      'identity',
      'create',
      '--name',
      name,
      '--kms',
      this.clouds[name]?.kms ?? `local:${this.path(`kms/${name}.key`)}`,
      '--jurisdiction',
      name.toUpperCase(),
      '--control',
      `${name}-org/${name}-account/${name}-admin`,
      '--no-passphrase',
    )
    if (made.code !== 0) throw new Error(made.stdout)
    const card = await quorate(['identity', 'card'], this.as(name))
    if (card.code !== 0) throw new Error(card.stderr)
    writeFileSync(this.path(`${name}.card`), card.stdout)
    return made
  }

  /** A trust file of all cards. */
  trust(name = 'trusted-sites.txt', sites: readonly string[] = this.names): string {
    return this.write(name, sites.map((site) => this.read(`${site}.card`)).join(''))
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text)
    return this.path(name)
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8')
  }
}
