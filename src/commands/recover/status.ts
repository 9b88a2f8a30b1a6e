import { StatusCommand } from '../../cli/status-command.ts'

export default class RecoverStatus extends StatusCommand {
  static override summary = 'what has happened, and who does what next'
  static override examples = ['<%= config.bin %> recover status --definition repair.yaml']
  protected readonly topic = 'recover'
}
