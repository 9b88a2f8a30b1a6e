import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { askText, canAsk } from './ask.ts'

const STAYS = 'no fresh key was planned'

/**
 * Asks for the name of the key that is taken out of use, or takes its full id. The definition that
 * follows is written by this very command, so there is no other file that words would tell it from; the other sites compare
 * them.
 */
export const confirmKey = async (
  key: Hash,
  name: string,
  answer: { readonly confirm: string | undefined; readonly noInput: boolean },
): Promise<void> => {
  if (answer.confirm === key) return
  if (answer.confirm !== undefined)
    throw new QuorateError(
      'E_WORDS',
      '--confirm is not the id of this key',
      `give all 64 digits, as \`quorate keys show\` has them; ${STAYS}`,
    )
  if (!canAsk(answer.noInput))
    throw new QuorateError(
      'E_NO_TERMINAL',
      'a fresh key in the place of this one has to be confirmed, and there is no terminal',
      `give --confirm with the full id of the key; ${STAYS}`,
    )
  const message = `Type the name of the key (${name}) to put a fresh one in its place:`
  const typed = await askText({ message, flag: '--confirm', noInput: answer.noInput })
  if (typed.trim() !== name) throw new QuorateError('E_WORDS', 'that is not the name', STAYS)
}
