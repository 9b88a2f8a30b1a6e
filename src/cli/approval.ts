import { QuorateError } from '../lib/errors.ts'
import type { DefinitionShown } from '../site/planning.ts'
import { askText, canAsk } from './ask.ts'
import { definitionLines, wordsLine } from './render/definition.ts'
import { say } from './term.ts'

const FROM = 4

/**
 * Shows what is about to be approved and asks for words 5 to 8, which only another site that holds the same file can
 * read out; in CI --confirm with the full ceremony id is the same gate. Throws E_WORDS and E_NO_TERMINAL.
 */
export const confirmDefinition = async (
  shown: DefinitionShown,
  own: string,
  answer: { readonly confirm: string | undefined; readonly noInput: boolean; readonly file: string },
): Promise<void> => {
  if (answer.confirm !== undefined) {
    refuseOtherId(shown, answer.confirm)
    return
  }
  if (!canAsk(answer.noInput))
    throw new QuorateError(
      'E_NO_TERMINAL',
      'words of the fingerprint have to be asked, and there is no terminal',
      `give --confirm with the full ceremony id that quorate ${shown.definition.kind} plan --definition ${answer.file} prints`,
    )
  for (const line of definitionLines(shown, own)) say(line)
  say('')
  say(wordsLine(shown, false))
  say('')
  const plan = `quorate ${shown.definition.kind} plan --definition ${answer.file}`
  say({ label: 'now', text: `another site runs ${plan}` })
  say({ label: '', text: 'which shows all eight words, and reads you the last four' })
  const typed = await askText({ message: 'Words 5 to 8:', flag: '--confirm', noInput: answer.noInput })
  await refuseOtherWords(shown, typed)
}

const refuseOtherId = ({ ceremony }: DefinitionShown, confirm: string): void => {
  if (confirm === ceremony) return
  const short = confirm.length < ceremony.length && ceremony.startsWith(confirm)
  throw new QuorateError(
    'E_WORDS',
    short ? '--confirm takes the full ceremony id, not its beginning' : '--confirm is not the id of this definition',
    short
      ? 'give all 64 digits; nothing was signed'
      : 'this file is not the one that was meant: compare it with the planner’s; nothing was signed',
  )
}

const refuseOtherWords = async ({ words }: DefinitionShown, typed: string): Promise<void> => {
  const { typedWords } = await import('../identity/words.ts')
  const given = typedWords(typed)
  const wanted = words.slice(FROM)
  if (given.length !== wanted.length)
    throw new QuorateError(
      'E_WORDS',
      `${given.length} words were typed, four are wanted: 5 to 8`,
      'run it again; nothing was signed',
    )
  const wrong = wanted.findIndex((word, n) => word !== given[n])
  if (wrong === -1) return
  throw new QuorateError(
    'E_WORDS',
    `word ${FROM + wrong + 1} is not that of this definition`,
    'typed or heard wrongly, or the other site holds another file: compare the two files before anybody signs; nothing was signed',
  )
}
