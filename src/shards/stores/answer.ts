import { pipeline, type Readable, Transform } from 'node:stream'
import { OBJECT_LIMIT } from './port.ts'

/** More than was asked for: nobody knows how much more there is. */
export class LongAnswer extends Error {
  override readonly name = 'LongAnswer'

  constructor(limit: number) {
    super(`over ${limit} bytes`)
  }
}

/** Of one page of a list, and of an error that a store explains. */
export const PAGE_LIMIT = 2_097_152

/** The stream of an answer, which fails when it goes on beyond the limit. */
export const bounded = (body: Readable, limit: number, stated: unknown): Readable => {
  if (Number(stated ?? 0) > limit) {
    body.destroy()
    throw new LongAnswer(limit)
  }
  let length = 0
  const limiter = new Transform({
    transform(chunk: Uint8Array, _, done) {
      length += chunk.length
      done(length > limit ? new LongAnswer(limit) : null, chunk)
    },
  })
  // Its reader gets the error too.
  return pipeline(body, limiter, () => undefined)
}

/** The bytes of an object. The stream is at its end or destroyed when this ends: an open one would hold the process. */
export const objectBytes = async (body: Readable, signal: AbortSignal): Promise<Uint8Array> => {
  const stop = (): void => void body.destroy(new Error('aborted'))
  signal.addEventListener('abort', stop)
  const parts: Uint8Array[] = []
  let length = 0
  try {
    for await (const part of body) {
      length += part.length
      if (length > OBJECT_LIMIT) throw new LongAnswer(OBJECT_LIMIT)
      parts.push(part)
    }
    return new Uint8Array(Buffer.concat(parts))
  } finally {
    signal.removeEventListener('abort', stop)
    body.destroy()
  }
}
