import { setTimeout as delay } from 'node:timers/promises'
import { mayGetWriter, openInput } from '../host/input.ts'
import { equal, utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { askHidden, canAsk } from './ask.ts'
import { stopRequested } from './signals.ts'

const LIMIT = 4096
/** Between two looks at a pipe that nobody has written to. */
const PAUSE_MS = 10
const HINT = 'give --passphrase-file with a file, - for stdin, or /dev/fd/N'

interface PassphraseSource {
  /** Path, `-` or /dev/fd/N; undefined asks at the terminal. */
  readonly file: string | undefined
  readonly noInput: boolean
  readonly message: string
  /** Ask twice: a new passphrase that nobody could repeat would be lost. */
  readonly confirm?: boolean
}

/** A passphrase from a file, a pipe or the terminal; never from the command line or the environment. */
export const readPassphrase = async (source: PassphraseSource): Promise<Secret> => {
  if (source.file !== undefined) return fromFile(source.file)
  const question = { message: source.message, flag: '--passphrase-file', noInput: source.noInput }
  const first = utf8(await askHidden(question))
  if (first.length === 0) throw new QuorateError('E_PASSPHRASE', 'the passphrase is empty', HINT)
  if (source.confirm === true) {
    const second = utf8(await askHidden({ ...question, message: 'The same once more' }))
    if (!equal(first, second)) throw new QuorateError('E_PASSPHRASE', 'the two passphrases differ', 'run it again')
    second.fill(0)
  }
  return new Secret(first)
}

interface PassphraseFlags {
  readonly 'passphrase-file'?: string | undefined
  readonly 'no-input': boolean
}

/** Of a home that is there; asked for only when something needs it. */
export const passphraseAsked = (flags: PassphraseFlags) => (): Promise<Secret> =>
  readPassphrase({
    file: flags['passphrase-file'],
    noInput: flags['no-input'],
    message: 'Passphrase of this home:',
  })

/** The same, for a command with several uses of it: nobody types it twice, and stdin comes once. */
export const askedOnce = (ask: () => Promise<Secret>): (() => Promise<Secret>) => {
  let first: Promise<Secret> | undefined
  return async () => {
    first ??= ask()
    return new Secret(new Uint8Array((await first).reveal()))
  }
}

/** Of a new home, asked twice; undefined only where the operator said that there is to be none. */
export const newPassphrase = async (
  flags: PassphraseFlags & { readonly 'no-passphrase': boolean },
): Promise<Secret | undefined> => {
  if (flags['no-passphrase']) return undefined
  if (flags['passphrase-file'] === undefined && !canAsk(flags['no-input']))
    throw new QuorateError(
      'E_NO_TERMINAL',
      'a new home needs a passphrase, and there is no terminal to ask for it',
      'give --passphrase-file, or --no-passphrase to leave the identity key open on this disk',
    )
  const message = 'New passphrase for this home:'
  return readPassphrase({ file: flags['passphrase-file'], noInput: flags['no-input'], message, confirm: true })
}

/** A passphrase that only ever comes from a file; undefined where none was named. */
export const passphraseFile = (file: string | undefined): (() => Promise<Secret>) | undefined =>
  file === undefined ? undefined : () => fromFile(file)

const fromFile = async (file: string): Promise<Secret> => {
  const bytes = file === '-' ? await read(0) : await fromPath(file)
  let length = bytes.length
  if (bytes[length - 1] === 0x0a) length -= 1
  if (bytes[length - 1] === 0x0d) length -= 1
  const passphrase = bytes.slice(0, length)
  bytes.fill(0)
  if (length === 0) throw new QuorateError('E_PASSPHRASE', 'the passphrase file is empty', HINT)
  return new Secret(passphrase)
}

const fromPath = async (file: string): Promise<Uint8Array> => {
  for (;;) {
    stopRequested()?.throwIfAborted()
    const handle = await openInput(file)
    try {
      const bytes = await read(handle.fd)
      if (bytes.length > 0 || !(await mayGetWriter(file))) return bytes
    } finally {
      await handle.close()
    }
    await delay(PAUSE_MS)
  }
}

/** Reads to the end, from pipes too; refuses what is longer than any passphrase. */
const read = async (fd: number): Promise<Uint8Array> => {
  if (fd === 0 && process.stdin.isTTY)
    throw new QuorateError(
      'E_USAGE',
      'stdin is a terminal, which would show the passphrase',
      'leave the flag out to be asked',
    )
  const { read: readFd } = await import('node:fs')
  const buffer = new Uint8Array(LIMIT + 1)
  let at = 0
  while (at < buffer.length) {
    stopRequested()?.throwIfAborted()
    const got = await new Promise<number>((resolve, reject) =>
      readFd(fd, buffer, at, buffer.length - at, null, (error, count) => {
        if (error === null) resolve(count)
        else if (error.code === 'EAGAIN') setTimeout(() => resolve(-1), 5)
        else reject(error)
      }),
    )
    if (got === 0) break
    if (got > 0) at += got
  }
  if (at > LIMIT) throw new QuorateError('E_PASSPHRASE', `the passphrase is longer than ${LIMIT} bytes`, HINT)
  const bytes = buffer.slice(0, at)
  buffer.fill(0)
  return bytes
}
