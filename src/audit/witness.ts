import type { RawSigner } from '../identity/ed25519.ts'
import type { Hash, KeyHex } from '../lib/brand.ts'
import { fromHex, toHex } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Checkpoint } from './log.ts'
import { verifyConsistency } from './merkle.ts'
import { cosignLine, openCheckpoint } from './note.ts'

/** A log's head as a peer shows it, and the proof that it extends what was remembered of that log. */
export interface ShownHead {
  readonly note: string
  readonly origin: string
  readonly key: KeyHex
  /** RFC 6962 consistency proof from the remembered head; empty at first contact or where the sizes are equal. */
  readonly proof: readonly Hash[]
}

/**
 * The head that a peer shows, once it extends the one remembered. Throws DecodeError where the note is not that log's,
 * E_SITE_ROLLED_BACK where it is older or forked.
 */
export const acceptHead = (
  shown: ShownHead,
  remembered: { readonly size: number; readonly root: Hash } | undefined,
): Checkpoint => {
  const { size, root } = openCheckpoint(shown.note, shown.origin, shown.key)
  const extended =
    remembered === undefined ||
    verifyConsistency(remembered.size, size, fromHex(remembered.root), root, shown.proof.map(fromHex))
  if (!extended)
    throw new QuorateError(
      'E_SITE_ROLLED_BACK',
      `a log was shown with ${size} events that does not extend the ${remembered.size} shown before`,
      'its operator: was this home restored from a copy? The others must readmit the site before it takes part again',
      { origin: shown.origin, remembered: remembered.root, shown: toHex(root) },
    )
  return { size, root: toHex(root) as Hash, note: shown.note }
}

/** The witness's signature line over a head that it accepts; throws as `acceptHead`. `at` in milliseconds. */
export const cosign = (
  shown: ShownHead,
  remembered: { readonly size: number; readonly root: Hash } | undefined,
  witness: { readonly name: string; readonly signer: RawSigner },
  at: number,
): string => {
  const { text } = openCheckpoint(shown.note, shown.origin, shown.key).note
  acceptHead(shown, remembered)
  return cosignLine(text, witness.name, witness.signer, Math.floor(at / 1000))
}
