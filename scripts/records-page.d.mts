import type { Codec } from '../src/records/codec.ts'

export declare const recordsPage: (
  table: object,
  versionsOf: (codec: Codec<unknown>) => readonly { readonly type: string }[],
) => string
