import { QuorateError } from '../lib/errors.ts'
import { shortId } from '../records/short-id.ts'
import type { DefinitionShown } from '../site/planning.ts'
import type { Seen } from '../site/seen.ts'
import { askText, canAsk } from './ask.ts'
import { decisionLines, definitionLines } from './render/definition.ts'
import { say } from './term.ts'
import { shellWord } from './text.ts'

const TRIES = 3

/**
 * Shows what is about to be approved, without a word of its fingerprint, and asks for all eight, which only another site
 * that holds the same file can read out. Whoever planned wrote both files, so the words must resist a collision: fewer
 * than all of them would not (PROTOCOL.md §2). In CI --confirm with the full ceremony id is the same gate. Throws E_WORDS
 * after the third wrong answer, and E_NO_TERMINAL.
 */
export const confirmDefinition = async (
  shown: DefinitionShown,
  seen: Seen,
  own: string,
  answer: {
    readonly confirm: string | undefined
    readonly noInput: boolean
    readonly quiet: boolean
    readonly file: string
  },
): Promise<void> => {
  const decided = decisionLines(shown.definition, seen)
  if (answer.confirm !== undefined) {
    refuseOtherId(shown, answer.confirm)
    // The log of a pipeline says what was approved in it.
    if (!answer.quiet) for (const line of decided) say(line)
    return
  }
  const plan = `quorate ${shown.topic} plan --definition ${shellWord(answer.file)}`
  if (!canAsk(answer.noInput))
    throw new QuorateError(
      'E_NO_TERMINAL',
      'words of the fingerprint have to be asked, and there is no terminal',
      `give --confirm with the full ceremony id that ${plan} prints`,
    )
  for (const line of definitionLines(shown, own)) say(line)
  say('')
  say({ label: 'now', text: `another site runs ${plan}` })
  say({ label: '', text: 'and reads you its eight words; four letters of each are enough' })
  say('')
  for (const line of decided) say(line)
  say({ label: 'ceremony', text: shortId(shown.ceremony), tone: 'strong' })
  await askWords(shown.words, answer.noInput)
}

const askWords = async (words: readonly string[], noInput: boolean): Promise<void> => {
  const { typedWords, wrongWord } = await import('../identity/words.ts')
  for (let left = TRIES - 1; ; left--) {
    const typed = typedWords(await askText({ message: 'Words:', flag: '--confirm', noInput }))
    const wrong = wrongWord(words, typed)
    if (typed.length === words.length && wrong === undefined) return
    const fault =
      typed.length === words.length
        ? `word ${wrong} is not that of this definition`
        : `${typed.length === 1 ? 'one word was' : `${typed.length} words were`} typed, all ${words.length} are wanted`
    if (left === 0)
      throw new QuorateError(
        'E_WORDS',
        fault,
        'typed or heard wrongly, or the other site holds another file: compare the two files before anybody signs; nothing was signed',
      )
    say({ label: 'wrong', text: fault, note: left === 1 ? 'one try left' : `${left} tries left`, tone: 'bad' })
  }
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
