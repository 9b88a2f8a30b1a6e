import { QuorateCommand, type Shown } from '../../cli/base-command.ts'

export default class CompletionZsh extends QuorateCommand {
  static override summary = 'print a completion script for zsh'
  static override examples = ['<%= config.bin %> completion zsh > ~/.zfunc/_quorate']

  override async run(): Promise<Shown> {
    await this.parse(CompletionZsh)
    const { zshCompletion } = await import('../../cli/completion.ts')
    const script = zshCompletion(this.config.commands, this.config.topics)
    return this.showRaw({ script }, script)
  }
}
