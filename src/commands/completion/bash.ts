import { QuorateCommand, type Shown } from '../../cli/base-command.ts'

export default class CompletionBash extends QuorateCommand {
  static override summary = 'print a completion script for bash'
  static override examples = ['<%= config.bin %> completion bash > ~/.local/share/bash-completion/completions/quorate']

  override async run(): Promise<Shown> {
    await this.parse(CompletionBash)
    const { bashCompletion } = await import('../../cli/completion.ts')
    const script = bashCompletion(this.config.commands)
    return this.showRaw({ script }, script)
  }
}
