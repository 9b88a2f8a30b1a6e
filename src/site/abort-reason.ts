import { is } from 'valibot'
import { QuorateError } from '../lib/errors.ts'
import { abortReason } from '../records/note.ts'

/** A reason as a note carries it, spelled in NFC. Throws E_USAGE for a text that no note can carry. */
export const reasonGiven = (text: string): string => {
  const spelled = text.normalize('NFC')
  if (is(abortReason, spelled)) return spelled
  throw new QuorateError(
    'E_USAGE',
    'expected one line of 1 to 280 characters, without tabs, joined emoji or hidden characters',
    'say why in plain words; nothing was done',
  )
}
