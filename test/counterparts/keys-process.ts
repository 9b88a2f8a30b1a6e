import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { KmsKey, Wrapped } from '../../src/kms/port.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { KmsSlot } from '../../src/records/definition-fields.ts'
import { built, type Ran } from '../support/cli.ts'

/** KMS keys of the built product in a process of its own (keys-process.mjs). */
export interface KeysProcess {
  open(slot: KmsSlot): Promise<KmsKey>
  ensure(slot: KmsSlot): Promise<boolean>
  /** Lets it end by itself; `after` is how long it took, in milliseconds. */
  end(): Promise<Ran & { readonly after: number }>
  kill(): Promise<unknown>
}

const script = fileURLToPath(new URL('keys-process.mjs', import.meta.url))

export const startKeysProcess = async (env: Readonly<Record<string, string>>): Promise<KeysProcess> => {
  await built()
  const child = spawn(process.execPath, [script], {
    env: { PATH: process.env['PATH'] ?? '', LANG: 'C', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  })
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk
    })
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>()
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('close', () => reject(new Error(text.stderr)))
  })
  child.on('message', ({ id, result, error }: { id: number; result: unknown; error?: object }) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(result)
    else call?.reject(Object.assign(new Error(), error))
  })
  void ended.then((code) => {
    for (const { reject } of waiting.values()) reject(new Error(`the process ended with ${code}: ${text.stderr}`))
  })

  let last = 0
  const ask = <T>(act: string, args: object): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const id = ++last
      waiting.set(id, { resolve: (value) => resolve(value as T), reject })
      child.send({ id, act, args })
    })
  return {
    ensure: (slot) => ask('ensure', { slot }),
    async open(slot) {
      const name = `${slot.key} ${++last}`
      const { ref, can } = await ask<Pick<KmsKey, 'ref' | 'can'>>('open', { slot, name })
      return {
        ref,
        can,
        wrap: (piece, bound) => ask<Wrapped>('wrap', { name, piece: piece.reveal(), bound }),
        unwrap: async (wrapped, bound) => new Secret(await ask<Uint8Array>('unwrap', { name, wrapped, bound })),
      }
    },
    kill: () => {
      child.kill('SIGKILL')
      return ended
    },
    async end() {
      const began = performance.now()
      child.send({ act: 'end' })
      const code = await ended
      return { code, ...text, after: performance.now() - began }
    },
  }
}
