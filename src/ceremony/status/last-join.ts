import * as v from 'valibot'
import type { Hash } from '../../lib/brand.ts'
import { writeDurable } from '../../lib/durable.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Disk } from '../../lib/ports.ts'
import { type Codec, DecodeError, jsonCodec } from '../../records/codec.ts'
import { instant } from '../../records/fields.ts'
import { lastJoinPath } from '../paths.ts'

const LONGEST = 2000
const text = v.pipe(v.string(), v.maxLength(LONGEST))

const lastJoinSchema = v.strictObject({
  at: instant,
  /** The error that it ended with; null: it closed. */
  fault: v.nullable(v.strictObject({ code: text, message: text, hint: text })),
  /** The parts that are missing from its bundle. */
  open: v.pipe(v.array(text), v.maxLength(256)),
})
/** How this site's last join of a ceremony ended, for `status`. Unsigned: it is for this site's operator alone. */
export type LastJoin = v.InferOutput<typeof lastJoinSchema>
const lastJoinCodec: Codec<LastJoin> = jsonCodec('last-join/v1', lastJoinSchema, 1_048_576)

/** A join that is killed says nothing: so nothing may stand there while it runs. */
export const forgetLastJoin = (disk: Pick<Disk, 'remove'>, ceremony: Hash): Promise<void> =>
  disk.remove(lastJoinPath(ceremony))

const short = (full: string): string => full.slice(0, LONGEST)

/** Never the reason why a join fails: a disk that cannot take this has made itself known. */
export const keepLastJoin = async (
  disk: Disk,
  ceremony: Hash,
  at: number,
  ended: QuorateError | readonly string[],
): Promise<void> => {
  const fault =
    ended instanceof QuorateError ? { code: ended.code, message: short(ended.message), hint: short(ended.hint) } : null
  const open = ended instanceof QuorateError ? [] : ended.map(short)
  try {
    await writeDurable(disk, lastJoinPath(ceremony), lastJoinCodec.encode({ at, fault, open }))
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error
  }
}

/** Undefined: none has ended yet, the last one did not get to say how, or what stands there is not ours. */
export const lastJoin = async (disk: Pick<Disk, 'read'>, ceremony: Hash): Promise<LastJoin | undefined> => {
  try {
    const bytes = await disk.read(lastJoinPath(ceremony))
    return bytes === undefined ? undefined : lastJoinCodec.decode(bytes)
  } catch (error) {
    if (error instanceof DecodeError || (error instanceof QuorateError && error.code === 'E_FILE')) return undefined
    throw error
  }
}
