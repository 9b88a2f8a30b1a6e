import { QuorateError } from '../lib/errors.ts'
import { isInteractive } from './term.ts'

/** A question, and the flag that answers it where nobody can be asked. */
interface Question {
  readonly message: string
  readonly flag: string
  readonly noInput: boolean
}

const refuse = ({ message, flag }: Question): QuorateError =>
  new QuorateError(
    'E_NO_TERMINAL',
    `this has to be asked, and there is no terminal: ${message.replace(/[:?]?\s*$/, '')}`,
    `give ${flag}`,
  )

/** Both stdin and stderr are a terminal: a piped `y` is no answer. */
export const canAsk = (noInput: boolean): boolean => !noInput && isInteractive()

const context = { output: process.stderr, clearPromptOnDone: false }

/** One line of text. Never times out into an answer. Ctrl-C throws ExitPromptError. */
export const askText = async (question: Question): Promise<string> => {
  if (!canAsk(question.noInput)) throw refuse(question)
  const { input } = await import('@inquirer/prompts')
  return (await input({ message: question.message, required: true }, context)).trim()
}

/** Nothing of it is shown, and there is no key that would show it: ceremonies are filmed. */
export const askHidden = async (question: Question): Promise<string> => {
  if (!canAsk(question.noInput)) throw refuse(question)
  const { password } = await import('@inquirer/prompts')
  return password({ message: question.message, mask: false, toggleMask: false }, context)
}
