import { Args } from '@oclif/core'
import { QuorateCommand, type Shown } from '../cli/base-command.ts'

export default class HelpCommand extends QuorateCommand {
  static override summary = 'show what a command does, or every error and exit code'
  static override examples = ['<%= config.bin %> help keygen join', '<%= config.bin %> help errors']
  static override strict = false
  static override args = {
    words: Args.string({ description: 'a command, a topic, errors or exit-codes', ignoreStdin: true }),
  }

  override async run(): Promise<Shown> {
    const { argv } = await this.parse(HelpCommand)
    const { helpText } = await import('../cli/help.ts')
    const text = await helpText(this.config, argv.map(String).join(':'))
    return this.showRaw({ text }, text)
  }
}
