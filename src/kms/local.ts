import { constants } from 'node:fs'
import { type FileHandle, link, mkdir, open, realpath, unlink } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative } from 'node:path'
import * as v from 'valibot'
import { openAead, sealAead } from '../lib/aead.ts'
import type { Hash } from '../lib/brand.ts'
import { concat, fromHex, toHex, utf8 } from '../lib/bytes.ts'
import { type ErrorCode, QuorateError } from '../lib/errors.ts'
import { tupleHash } from '../lib/hash.ts'
import { Secret } from '../lib/secret.ts'
import { type Codec, jsonCodec } from '../records/codec.ts'
import { hexOf, whole } from '../records/fields.ts'
import { openUnder, passphraseSealed, sealUnder } from '../records/passphrase-box.ts'
import type { KmsFault } from './fault.ts'
import type { KmsContext, KmsKey, KmsProvider, Wrapped } from './port.ts'
import { providerTable } from './providers.ts'

const keyFileSchema = v.strictObject({
  /** Newest last; it wraps. Older ones unwrap what they wrapped. */
  versions: v.pipe(
    v.array(v.strictObject({ version: whole(1, 1_000_000), key: v.union([hexOf(32, 32), passphraseSealed]) })),
    v.minLength(1),
    v.maxLength(64),
    v.check(
      (all) => all.every((one, n) => n === 0 || (all[n - 1]?.version ?? 0) < one.version),
      'expected versions in order',
    ),
  ),
})
type KeyFile = v.InferOutput<typeof keyFileSchema>
export const localKeyCodec: Codec<KeyFile> = jsonCodec('local-kms-key/v1', keyFileSchema, 65_536)

const SEAL_LABEL = 'quorate local kms key'
const NONCE = 12

const fault = (code: ErrorCode, what: string, hint: string, cause?: unknown): QuorateError =>
  new QuorateError(code, what, hint, {}, cause)

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')

/** Throws E_KMS_DENIED for a key that a thief of the home would find in it. */
const outsideHome = async (path: string, home: string): Promise<void> => {
  if (!isAbsolute(path) || path.endsWith('/') || path.includes('\0'))
    throw fault('E_USAGE', 'a local KMS key is named by the absolute path of its file', 'write local:/path/to/file')
  const real = async (folder: string): Promise<string> => {
    try {
      return await realpath(folder)
    } catch {
      return dirname(folder) === folder ? folder : join(await real(dirname(folder)), basename(folder))
    }
  }
  const way = relative(await real(home), await real(path))
  if (way === '' || (way !== '..' && !way.startsWith('../') && !isAbsolute(way)))
    throw fault(
      'E_KMS_DENIED',
      'the local KMS key lies inside the home that it protects',
      'put it elsewhere (another disk, another user), and name that path in site.yaml',
    )
}

const readKeyFile = async (path: string): Promise<KeyFile> => {
  let handle: FileHandle
  try {
    // Opening a pipe that nobody writes to would hold a thread that nothing can stop.
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EACCES' || code === 'EPERM')
      throw fault('E_KMS_DENIED', `this user cannot read the local KMS key ${path}`, 'run as its owner', error)
    throw fault(
      'E_KMS_UNAVAILABLE',
      `the local KMS key ${path} is not there${code === 'ENOENT' ? '' : ` (${code})`}`,
      'put the file back from its backup; without it this share is lost, and the others sign without it',
      error,
    )
  }
  try {
    const found = await handle.stat()
    if (process.getuid !== undefined && (found.mode & 0o077) !== 0)
      throw fault(
        'E_KMS_DENIED',
        `the local KMS key ${path} is open to other users (mode ${(found.mode & 0o777).toString(8)})`,
        'chmod 0600 it, and ask who has read it',
      )
    if (!found.isFile() || found.size > localKeyCodec.limit) throw new RangeError('not a key file')
    return localKeyCodec.decode(new Uint8Array(await handle.readFile()))
  } catch (error) {
    if (error instanceof QuorateError) throw error
    throw fault('E_KMS_UNAVAILABLE', `the local KMS key ${path} is damaged`, 'put the file back from its backup', error)
  } finally {
    await handle.close()
  }
}

const associated = (version: string, context: Hash): Uint8Array =>
  tupleHash('quorate local kms v1', utf8(version), fromHex(context))

const localKey = (path: string, file: KeyFile, { random, passphrase }: KmsContext): KmsKey => {
  const opened = new Map<string, Secret>()

  const unseal = async (sealed: v.InferOutput<typeof passphraseSealed>): Promise<Secret> => {
    if (passphrase === undefined)
      throw fault(
        'E_PASSPHRASE',
        `the local KMS key ${path} lies under a passphrase`,
        'give it when asked, or in a file',
      )
    return openUnder(await passphrase(), SEAL_LABEL, sealed)
  }
  const keyOf = async (version: string): Promise<Secret> => {
    const known = opened.get(version)
    if (known !== undefined) return known
    const entry = file.versions.find((one) => String(one.version) === version)
    if (entry === undefined)
      throw fault(
        'E_KMS_UNAVAILABLE',
        `the local KMS key ${path} has no such version`,
        'put back the key file that has it; this shard was sealed under it',
      )
    const key = typeof entry.key === 'string' ? new Secret(fromHex(entry.key)) : await unseal(entry.key)
    opened.set(version, key)
    return key
  }

  return {
    ref: { provider: 'local', key: path },
    can: { context: true, hardware: false, protection: providerTable.local.protection },
    async wrap(piece, context): Promise<Wrapped> {
      const version = String(file.versions.at(-1)?.version)
      const key = await keyOf(version)
      const nonce = random(NONCE)
      const sealed = sealAead(key.reveal(), nonce, piece.reveal(), associated(version, context))
      return { provider: 'local', key: path, version, ciphertext: concat(nonce, sealed) }
    },
    async unwrap(wrapped, context) {
      const key = await keyOf(wrapped.version)
      const [nonce, sealed] = [wrapped.ciphertext.subarray(0, NONCE), wrapped.ciphertext.subarray(NONCE)]
      const aad = associated(wrapped.version, context)
      const piece = nonce.length === NONCE ? openAead(key.reveal(), nonce, sealed, aad) : undefined
      if (piece === undefined)
        throw new QuorateError(
          'E_KMS_DENIED',
          `the local KMS key ${path} does not open this piece`,
          'put back the key file under which this shard was sealed',
          { kms: 'wrong key' satisfies KmsFault },
        )
      return new Secret(piece)
    },
  }
}

/**
 * Makes a file that is whole or not there, whatever befalls the disk meanwhile: nobody has a backup of half a new key. Throws
 * EEXIST where there is one. `part` is the name of it while it is written.
 */
const makeWhole = async (path: string, part: string, bytes: Uint8Array): Promise<void> => {
  const handle = await open(part, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  try {
    await handle.chmod(0o600)
    await handle.writeFile(bytes)
    await handle.sync()
    await link(part, path)
  } finally {
    await handle.close()
    await unlink(part).catch(() => undefined)
  }
  const folder = await open(dirname(path), constants.O_RDONLY)
  await folder.sync().finally(() => folder.close())
}

/** A key file on this machine, for demonstrations and for sites whose disk is itself protected. */
export const localKms: KmsProvider = {
  async open(path, context) {
    await outsideHome(path, context.home)
    return localKey(path, await readKeyFile(path), context)
  },

  async ensure(path, context) {
    await outsideHome(path, context.home)
    const key = new Secret(context.random(32))
    const entry =
      context.passphrase === undefined
        ? toHex(key.reveal())
        : await sealUnder(await context.passphrase(), SEAL_LABEL, key, context.random)
    key.wipe()
    const bytes = localKeyCodec.encode({ versions: [{ version: 1, key: entry }] })
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await makeWhole(path, `${path}.${toHex(context.random(8))}.new`, bytes)
      return true
    } catch (error) {
      if (codeOf(error) === 'EEXIST') {
        await readKeyFile(path)
        return false
      }
      throw fault(
        'E_KMS_UNAVAILABLE',
        `the local KMS key ${path} cannot be made (${codeOf(error)})`,
        'name a folder that this user can write',
        error,
      )
    }
  },
}
