import * as v from 'valibot'
import { utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from '../records/codec.ts'
import { ceremonyId, type Definition, definitionCodec } from '../records/definition.ts'
import { hash } from '../records/fields.ts'

const requestSchema = v.variant('do', [
  v.strictObject({ do: v.literal('running'), ceremony: hash }),
  v.strictObject({ do: v.literal('approved'), ceremony: hash, object: hash }),
  v.strictObject({ do: v.literal('abort'), ceremony: hash, definition: v.optional(v.string()), reason: v.string() }),
  v.strictObject({ do: v.literal('suspend'), key: hash, reason: v.string(), suspended: v.boolean() }),
  v.strictObject({ do: v.literal('join'), ceremony: hash, definition: v.string(), check: v.boolean() }),
])
export type TakenRequest = v.InferOutput<typeof requestSchema>

const notUnderstood = (): QuorateError =>
  new QuorateError(
    'E_HOME_BUSY',
    'the process that owns this home does not understand this command; nothing was done',
    'it may run another version of quorate: wait until it has ended, then run the same command again',
  )

/** A request as another command wrote it to the socket. Throws for whatever this version would not have written. */
export const takenRequest = (request: unknown): TakenRequest => {
  const result = v.safeParse(requestSchema, request)
  if (!result.success) throw notUnderstood()
  return result.output
}

/** The definition in a request about this ceremony. */
export const definitionIn = (text: string, ceremony: string): Definition => {
  try {
    const definition = definitionCodec.decode(utf8(text))
    if (ceremonyId(definition) === ceremony) return definition
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
  }
  throw notUnderstood()
}
