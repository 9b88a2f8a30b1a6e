import { basename } from 'node:path'
import { digestMessage, fileMessage, hexMessage, MESSAGE_LIMIT } from '../ceremony/definition/message.ts'
import { inputBytes } from '../host/input.ts'
import { fromHex } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import type { SignMessage } from '../records/kinds/sign.ts'

const usage = (message: string, hint: string): QuorateError => new QuorateError('E_USAGE', message, hint)

export interface MessageFlags {
  readonly message: string | undefined
  readonly messageHex: string | undefined
  /** Means it, where the bytes to sign are none: else a variable that was never set would be signed as nothing. */
  readonly empty: boolean
  readonly digest: string | undefined
  readonly blind: string | undefined
}

const hexOf = (flag: string, text: string): Uint8Array => {
  try {
    return fromHex(text.toLowerCase())
  } catch {
    throw usage(`--${flag} is not hex`, 'two digits a byte, no prefix')
  }
}

/** The message as the definition names it, and its content where there is one. */
export const messageOf = async (flags: MessageFlags): Promise<readonly [SignMessage, Uint8Array | undefined]> => {
  if (flags.message !== undefined) {
    const content = await readMessage(flags.message)
    return [fileMessage(basename(flags.message), content), content]
  }
  if (flags.messageHex === '' && !flags.empty)
    throw usage('--message-hex is empty', 'if no bytes at all are to be signed, say so with --empty')
  if (flags.messageHex !== undefined) {
    const content = hexOf('message-hex', flags.messageHex)
    return [hexMessage(content), content]
  }
  if (flags.digest === undefined)
    throw usage('nothing to sign', 'give --message FILE, --message-hex HEX, or --digest HEX with --blind REASON')
  if (flags.blind === undefined)
    throw usage(
      'a digest is signed blind: nobody can see what it stands for',
      'say why in --blind; every signer sees it',
    )
  return [digestMessage(hexOf('digest', flags.digest), flags.blind), undefined]
}

/** The file's bytes. No more than the limit is read of it, whatever size it says that it has: a device says 0. */
const readMessage = async (path: string): Promise<Uint8Array> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of inputBytes(path)) {
    size += chunk.length
    if (size > MESSAGE_LIMIT)
      throw usage(`the message is larger than ${MESSAGE_LIMIT} bytes`, 'sign its digest, and say why in --blind')
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/**
 * The bytes that are to be signed, as an approver brings them; undefined where the definition itself holds all of it.
 */
export const messageGiven = async (
  flags: Omit<MessageFlags, 'digest' | 'blind' | 'empty'>,
): Promise<Uint8Array | undefined> => {
  if (flags.message !== undefined) return readMessage(flags.message)
  return flags.messageHex === undefined ? undefined : hexOf('message-hex', flags.messageHex)
}
