import { is } from 'valibot'
import { QuorateError } from '../lib/errors.ts'
import { abortReason } from '../records/identity.ts'

/** A reason as a note carries it, spelled in NFC. Throws E_USAGE for a text that no note can carry. */
export const reasonGiven = (text: string): string => {
  const spelled = text.normalize('NFC')
  if (is(abortReason, spelled)) return spelled
  throw new QuorateError(
    'E_USAGE',
    'the reason is not one line of 1 to 280 characters, or holds tabs, joined emoji or other characters that do not show',
    'give --reason in plain words; nothing was done, and this site is still in',
  )
}
