import { StatusCommand } from '../../cli/status-command.ts'

export default class KeygenStatus extends StatusCommand {
  static override summary = 'what has happened, and who does what next'
  static override examples = ['<%= config.bin %> keygen status --definition treasury.yaml']
  protected readonly topic = 'keygen'
}
