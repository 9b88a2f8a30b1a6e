import { type Config, Help } from '@oclif/core'
import { errorTable } from '../lib/errors.ts'
import { exitCodes } from './exit-codes.ts'

/** oclif's help, collected instead of printed. */
class CollectedHelp extends Help {
  readonly parts: string[] = []
  protected override log(...args: string[]): void {
    this.parts.push(args.join(' '))
  }
}

const table = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2
  return rows.map(([left, right]) => `${left.padEnd(width)}${right}\n`).join('')
}

/** Text of the help for a command or topic id; '' is the root. `errors` and `exit-codes` print the two tables. */
export const helpText = async (config: Config, id: string): Promise<string> => {
  if (id === 'exit-codes') return table(exitCodes.map(({ code, meaning }) => [String(code), meaning]))
  if (id === 'errors')
    return table(Object.entries(errorTable).map(([code, { exit, doc }]) => [code, `${`(${exit})`.padEnd(6)}${doc}`]))
  const help = new CollectedHelp(config, { stripAnsi: false, hideAliasesFromRoot: true })
  const command = config.findCommand(id)
  if (command === undefined) await help.showHelp(id === '' ? [] : id.split(':'))
  else await help.showCommandHelp(command)
  const text = help.parts.join('\n').trimEnd()
  const more =
    id === ''
      ? '\n\nMORE\n  quorate help errors      every error code\n  quorate help exit-codes  what an exit code says'
      : ''
  return `${text}${more}\n`
}
