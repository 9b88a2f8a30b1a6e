import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { vi } from 'vitest'
import { counterpartFolder } from './installed.ts'

/** Servers of other people that play AWS KMS (test/counterparts/install.sh). */

/** Behaviours of AWS KMS that not every counterpart has. */
export type Behaviour = 'deletion' | 'disabling' | 'rotation'

interface Counterpart {
  readonly name: string
  readonly host: string
  /** Answers when it is ready; null: it is as soon as it listens. */
  readonly ready: string | null
  readonly command: (port: number, scratch: string) => { readonly args: readonly string[]; readonly env: object }
  /** A behaviour of AWS that it does not have, and what it does instead. */
  readonly cannot: Readonly<Partial<Record<Behaviour, string>>>
}

const motoServer = (port: number) => ['moto_server', '-H', '127.0.0.1', '-p', String(port)]

/** Policies are the business of a row of its own: localstack has none. */
export const counterparts = [
  {
    name: 'localstack',
    host: '[::1]',
    ready: '/_localstack/health',
    command: (port, scratch) => ({
      args: ['python', '-m', 'localstack.runtime.main'],
      env: {
        // Given 127.0.0.1 it would listen on all addresses.
        GATEWAY_LISTEN: `[::1]:${port}`,
        SERVICES: 'kms',
        EAGER_SERVICE_LOADING: '1',
        DISABLE_EVENTS: '1',
        SKIP_SSL_CERT_DOWNLOAD: '1',
        DNS_ADDRESS: '0',
        FILESYSTEM_ROOT: scratch,
      },
    }),
    cannot: {},
  },
  {
    name: 'moto',
    host: '127.0.0.1',
    ready: '/moto-api/',
    command: (port) => ({ args: motoServer(port), env: {} }),
    cannot: {
      disabling: 'a disabled key goes on opening',
      deletion: 'a key that waits for its deletion goes on opening',
      rotation: 'it notes that the key was rotated, and keeps the material',
    },
  },
] as const satisfies readonly Counterpart[]

/** It takes four requests from anybody, and from then on looks at signatures and policies. */
export const motoWithPolicies: Counterpart = {
  name: 'moto',
  host: '127.0.0.1',
  ready: null,
  command: (port) => ({ args: motoServer(port), env: { INITIAL_NO_AUTH_ACTION_COUNT: '4' } }),
  cannot: {},
}

const freePort = (host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, host.replace(/[[\]]/g, ''), () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => void child.once('exit', () => resolve()))

const listens = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, host.replace(/[[\]]/g, ''), () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })

const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    async (response) => {
      await response.arrayBuffer()
      return response.ok
    },
    () => false,
  )

export interface Running {
  readonly url: string
  stop(): Promise<void>
}

/** Starts one on a free port of the loopback, and waits until it answers. */
export const startCounterpart = async (one: Counterpart): Promise<Running> => {
  const scratch = mkdtempSync(join(tmpdir(), `quorate-${one.name}-`))
  const port = await freePort(one.host)
  const { args, env } = one.command(port, scratch)
  const [program = '', ...rest] = args
  const child = spawn(join(counterpartFolder(one.name), 'bin', program), rest, {
    cwd: scratch,
    env: { PATH: process.env['PATH'], HOME: scratch, TMPDIR: scratch, LANG: 'C.UTF-8', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output = `${output}${chunk}`.slice(-4_000)
    })
  let failure: Error | undefined
  child.on('error', (error) => {
    failure = error
  })
  const stop = async (): Promise<void> => {
    const killing = setTimeout(() => child.kill('SIGKILL'), 10_000)
    child.kill('SIGTERM')
    if (child.pid !== undefined) await ended(child)
    clearTimeout(killing)
    rmSync(scratch, { recursive: true, force: true })
  }
  const url = `http://${one.host}:${port}`
  for (const end = performance.now() + 120_000; performance.now() < end && failure === undefined; ) {
    if (await (one.ready === null ? listens(one.host, port) : answers(`${url}${one.ready}`))) return { url, stop }
    if (child.exitCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await stop()
  throw new Error(`${one.name} did not start: ${failure ?? output}`)
}

/** Credentials and endpoint as a site has them, with nothing of this user's. */
export const awsEnvironment = (url: string, account = 'test') => ({
  AWS_ENDPOINT_URL_KMS: url,
  AWS_ACCESS_KEY_ID: account,
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
})

// As in bin/quorate.js.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'

export const stubAwsEnvironment = (url: string): void => {
  for (const [name, value] of Object.entries(awsEnvironment(url))) vi.stubEnv(name, value)
}

/** The deeds of a key's administrator in one region. */
export const administrator = (url: string, region: string, account = 'test') => {
  const client = new KMSClient({
    region,
    endpoint: url,
    // The server takes an access key of twelve digits for the account of that number.
    credentials: { accessKeyId: account, secretAccessKey: 'test' },
    maxAttempts: 1,
  })
  return {
    create: async (): Promise<string> => {
      const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
      if (KeyMetadata?.Arn === undefined) throw new Error('a key without a name')
      return KeyMetadata.Arn
    },
    disable: (KeyId: string) => client.send(new DisableKeyCommand({ KeyId })),
    enable: (KeyId: string) => client.send(new EnableKeyCommand({ KeyId })),
    rotate: (KeyId: string) => client.send(new RotateKeyOnDemandCommand({ KeyId })),
    scheduleDeletion: (KeyId: string) => client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 })),
  }
}
